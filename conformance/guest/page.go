// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"html/template"
	"io"

	"syd/conformance/capability"
	"syd/conformance/report"
)

// WriteHTML writes the grid as one page that needs nothing else: every cell
// opens to its specs.
func (g *Grid) WriteHTML(w io.Writer) error {
	return page.Execute(w, map[string]any{"Grid": g, "Families": append(g.families(), ""), "Capabilities": capability.Table})
}

// userSpec is one spec in one run.
type userSpec struct {
	User string
	report.Result
}

// specsOf is a family's specs in a cell, red ones first.
func specsOf(c *Cell, family string) []userSpec {
	var red, rest []userSpec
	for _, run := range c.Runs {
		for _, s := range run.Specs {
			switch {
			case family != "" && s.Family != family:
			case s.Verdict.Red(run.Strict):
				red = append(red, userSpec{run.Host.User, s})
			default:
				rest = append(rest, userSpec{run.Host.User, s})
			}
		}
	}
	return append(red, rest...)
}

func answerClass(c *Cell, name string) string {
	word, _ := c.Answer(name)
	return map[string]string{"yes": "pass", "MISSING": "fail"}[word]
}

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"tally": func(c *Cell, family string) Tally { return c.Tally(family) },
	"class": func(t Tally) string {
		switch {
		case t.Red > 0:
			return "fail"
		case t.Green > 0:
			return "pass"
		}
		return ""
	},
	"specs":    specsOf,
	"seconds":  seconds,
	"word":     func(c *Cell, name string) string { word, _ := c.Answer(name); return word },
	"evidence": func(c *Cell, name string) string { _, a := c.Answer(name); return a.Evidence },
	"answer":   answerClass,
	"red":      func(v report.Verdict) bool { return v.Red(false) },
}).Parse(`<!DOCTYPE html>
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<html lang="en"><head><meta charset="utf-8"><title>syd on other kernels</title><style>
body { font: 14px/1.4 sans-serif; margin: 2em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
td, th { border: 1px solid #bbb; padding: .2em .5em; text-align: left; vertical-align: top }
.pass { background: #dff3df } .fail { background: #f8d4d4 }
summary { cursor: pointer; white-space: nowrap }
details[open] { max-width: 60em } ul { padding-left: 1.2em; margin: .3em 0 }
pre { background: #f3f3f3; padding: .5em; overflow-x: auto; font-size: 12px }
</style></head><body>
<h1>syd on other kernels</h1>
<p>{{.Grid.Build.Path}} <code>{{.Grid.Build.SHA256}}</code>, {{.Grid.Arch}}, {{.Grid.Started}}, {{if .Grid.Selection}}<code>{{.Grid.Selection}}</code>{{else}}all specs{{end}}.
{{with .Grid.Method}}{{if .Accel}}Guests by {{.Accel}}: {{.Evidence}}.{{end}}{{end}}</p>
<p>12 = twelve green specs, of root's run and nobody's; 12-3: and three unsupported; 2!12: two red, twelve green.</p>
<table>
<tr><th></th>{{range .Grid.Cells}}<th>{{.Title}}</th>{{end}}</tr>
<tr><th>kernel</th>{{range .Grid.Cells}}<td>{{.Release}}<br>{{.Package}} {{.Version}}</td>{{end}}</tr>
<tr><th>verdict</th>{{range .Grid.Cells}}<td class="{{if eq .Status 0}}pass{{else}}fail{{end}}">{{if .Why}}<details><summary>{{.Fate}}</summary>{{.Why}}{{if .Console}}<pre>{{.Console}}</pre>{{end}}</details>{{else}}{{.Fate}}{{end}}</td>{{end}}</tr>
<tr><th>first spec, all</th>{{range .Grid.Cells}}<td>{{seconds .FirstSpecMS}}, {{seconds .MS}}</td>{{end}}</tr>
{{range $family := .Families}}<tr><th>{{or $family "all"}}</th>{{range $cell := $.Grid.Cells}}{{$tally := tally $cell $family}}<td class="{{class $tally}}">
{{- if $family}}<details><summary>{{$tally}}</summary><ul>{{range specs $cell $family}}<li{{if red .Verdict}} class="fail"{{end}}><b>{{.Verdict}}</b> {{.ID}} as {{.User}}: {{.Sentence}}
{{- with .Unsupported}} <i>needs {{.Required}}: {{.Observed}}</i>{{end}}
{{- if red .Verdict}}<pre>{{.Message}}
{{.Details}}</pre>{{end}}</li>{{end}}</ul></details>{{else}}{{$tally}}{{end}}</td>{{end}}</tr>
{{end}}</table>
<h2>What each kernel can do</h2>
<table>
<tr><th>capability</th><th>needs</th>{{range .Grid.Cells}}<th>{{.Title}}</th>{{end}}</tr>
{{range $c := .Capabilities}}<tr><th>{{$c.Name}}</th><td>{{$c.Required}}</td>{{range $.Grid.Cells}}<td class="{{answer . $c.Name}}" title="{{evidence . $c.Name}}">{{word . $c.Name}}</td>{{end}}</tr>
{{end}}</table>
</body></html>
`))
