// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// schema is as much of JSON Schema as state.schema.json needs.
type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Const                any
	Enum                 []any
	Pattern              string
	Minimum              *float64
	MinItems, MaxItems   *int
	MinProperties        int
	Required             []string
	Properties           map[string]*schema
	AdditionalProperties json.RawMessage
	Items                *schema
	Defs                 map[string]*schema `json:"$defs"`
	Schema               string             `json:"$schema"`
	Title, Description   string
}

// check says what of value is not as s wants it.
func (s *schema) check(root *schema, at string, value any) (wrong []string) {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		return root.Defs[name].check(root, at, value)
	}
	bad := func(format string, args ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, args...)) }
	kind := map[string]string{"float64": "integer", "bool": "boolean", "string": "string", "[]interface {}": "array", "map[string]interface {}": "object"}[fmt.Sprintf("%T", value)]
	if s.Type != "" && kind != s.Type {
		bad("is %s, not %s", kind, s.Type)
		return wrong
	}
	if s.Const != nil && value != s.Const || s.Enum != nil && !slices.Contains(s.Enum, value) {
		bad("%v is none of those", value)
	}
	switch v := value.(type) {
	case float64:
		if v != float64(int64(v)) || s.Minimum != nil && v < *s.Minimum {
			bad("the number %v", v)
		}
	case string:
		if !regexp.MustCompile(s.Pattern).MatchString(v) {
			bad("%q", v)
		}
	case []any:
		if s.MinItems != nil && len(v) < *s.MinItems || s.MaxItems != nil && len(v) > *s.MaxItems {
			bad("%d items", len(v))
		}
		for i, item := range v {
			wrong = append(wrong, s.Items.check(root, fmt.Sprintf("%s[%d]", at, i), item)...)
		}
	case map[string]any:
		if len(v) < s.MinProperties {
			bad("%d properties", len(v))
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				bad("lacks %s", name)
			}
		}
		for name, property := range v {
			of := s.Properties[name]
			if of == nil && (s.AdditionalProperties == nil || string(s.AdditionalProperties) == "false") {
				bad("has %s", name)
				continue
			}
			if of == nil {
				if err := json.Unmarshal(s.AdditionalProperties, &of); err != nil {
					bad("%v", err)
					continue
				}
			}
			wrong = append(wrong, of.check(root, at+"."+name, property)...)
		}
	}
	return wrong
}

// stateSchema reads the schema, in which nothing may be that check leaves out.
func stateSchema(t *testing.T) *schema {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(StateSchema))
	decoder.DisallowUnknownFields()
	s := new(schema)
	if err := decoder.Decode(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func stateJSON(t *testing.T, p *Policy) (text string, value any) {
	t.Helper()
	b, err := json.Marshal(p.State())
	if err == nil {
		err = json.Unmarshal(b, &value)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b), value
}

func TestStateFitsItsSchema(t *testing.T) {
	s := stateSchema(t)
	policies := []*Policy{
		parse(t), parse(t).Observing(),
		parse(t, "lock:exec", "allow/all+/***", "deny/read,write+/é<&>", "mask+/a", "append+/b/*", "pid/max:3", "setuid+1:2", "setuid+4294967294:0",
			"trace/exit_wait_all:on", "segvguard/expiry:0").Intercepting(func(c Category) bool { return c == Read }),
	}
	for l := LockOff; l <= LockOn; l++ {
		policies = append(policies, parse(t).WithLock(l))
	}
	for a := Allow; a < numActions; a++ {
		policies = append(policies, parse(t, "default/all:"+a.String(), a.String()+"/exec+/a"))
	}
	for _, name := range Profiles() {
		p, err := ParseIn([]Command{{"-p", name, Profile}}, testSources)
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, p)
	}
	for _, p := range policies {
		text, value := stateJSON(t, p)
		for _, wrong := range s.check(s, "state", value) {
			t.Errorf("%s in %.300s", wrong, text)
		}
	}
	// The check itself finds what is wrong.
	_, value := stateJSON(t, parse(t, "allow/read+/a"))
	for name, spoil := range map[string]func(m map[string]any){
		"lacks":      func(m map[string]any) { delete(m, "lock") },
		"has":        func(m map[string]any) { m["more"] = 1.0 },
		"none of":    func(m map[string]any) { m["lock"] = "open" },
		"not":        func(m map[string]any) { m["observe"] = "no" },
		"number":     func(m map[string]any) { m["pid"].(map[string]any)["max"] = -1.0 },
		"categories": func(m map[string]any) { m["rules"].([]any)[0].(map[string]any)["categories"] = []any{} },
	} {
		_, copied := stateJSON(t, parse(t, "allow/read+/a"))
		spoil(copied.(map[string]any))
		if wrong := s.check(s, "state", copied); len(wrong) != 1 || !strings.Contains(wrong[0], name) {
			t.Errorf("%s: got %q", name, wrong)
		}
	}
	if wrong := s.check(s, "state", value); wrong != nil {
		t.Errorf("got %q", wrong)
	}
}

func TestState(t *testing.T) {
	p := parse(t, "lock:off", "sandbox/write:off", "default/read:warn", "allow/all+/b", "mask+/a", "deny/read,stat+/c", "setgid+1:2").
		Intercepting(func(c Category) bool { return c != Write })
	s := p.State()
	if s.Version != StateVersion || s.Language != 3 || s.Lock != "off" || s.Observe || len(s.Categories) != int(NumCategories)-1 {
		t.Errorf("got %+v", s)
	}
	if got := fmt.Sprint(s.Categories["write"], s.Categories["read"], s.Categories["pid"]); got != "{false deny false} {true warn true} {true kill true}" {
		t.Errorf("got %s", got)
	}
	if len(s.Rules) != 2 || len(s.Rules[0].Categories) != int(NumCategories)-2 || fmt.Sprint(s.Rules[1]) != "{deny [stat read] /c}" ||
		fmt.Sprint(s.Mask, s.Append, s.Transitions) != "[/a] [] {[] [[1 2]]}" {
		t.Errorf("got %+v", s)
	}
	if len(s.Trace) == 0 || s.Trace["exit_wait_all"] || !parse(t, "trace/exit_wait_all:1").State().Trace["exit_wait_all"] {
		t.Errorf("got %+v", s.Trace)
	}
}
