// SPDX-License-Identifier: GPL-3.0-or-later

package bpf

import "errors"

// Paths finds all ways through all programs of the chain: each ends with the
// action that the kernel would take.
func (c Chain) Paths(arch, nr uint32) ([]Path, error) {
	free := Path{Action: Allow}
	for i := range free.Words {
		free.Words[i] = anyWord()
	}
	all := []Path{free}
	for _, p := range c {
		ways, err := p.Paths(arch, nr)
		if err != nil {
			return nil, err
		}
		if all, err = product(all, ways); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func product(a, b []Path) ([]Path, error) {
	var both []Path
	for _, one := range a {
		for _, other := range b {
			path, ok, err := one.merge(other)
			if err != nil {
				return nil, err
			}
			if ok {
				both = append(both, path)
			}
		}
	}
	if len(both) > maxPaths {
		return nil, errors.New("too many ways through them")
	}
	return both, nil
}

func (p Path) merge(o Path) (Path, bool, error) {
	if o.Action.over(p.Action) {
		p.Action = o.Action
	}
	for i := range p.Words {
		var ok bool
		if p.Words[i], ok = p.Words[i].merge(o.Words[i]); !ok || !p.Words[i].settle() {
			return p, false, nil
		}
		_, ok, exact := p.Words[i].solve()
		if !exact {
			return p, false, errors.New("their conditions are not understood")
		}
		if !ok {
			return p, false, nil
		}
	}
	return p, true, nil
}
