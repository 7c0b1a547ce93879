// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"syd/conformance"
)

// TestReportFollowsSchema holds a real report against the published schema.
func TestReportFollowsSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.json")
	status, out, errs := sydtest(t, "run", "--syd", writeBuild(t, fakeBuild), "--json", path, "--id", "SELF-01.[1-5]", "--shard", "1/1")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	for _, problem := range againstSchema(t, conformance.ReportSchema, content) {
		t.Error(problem)
	}
	for _, broken := range []struct{ from, to, words string }{
		{`"verdict": "pass"`, `"verdict": "good"`, "good"},
		{`"planned"`, `"plan"`, "planned"},
		{`"id": "SELF-01.1"`, `"id": "one"`, "one"},
		{`"strict": false`, `"strict": 0`, "strict"},
	} {
		changed := strings.Replace(string(content), broken.from, broken.to, 1)
		if problems := againstSchema(t, conformance.ReportSchema, []byte(changed)); !strings.Contains(strings.Join(problems, "\n"), broken.words) {
			t.Errorf("%s passes for a report: %v", broken.to, problems)
		}
	}
}

func againstSchema(t *testing.T, text string, content []byte) []string {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}
	v := &validator{root: schema}
	v.check("report", schema, value)
	return v.problems
}

// A validator knows the words of JSON Schema that the report's schema uses, and
// refuses others, lest they are taken for checked.
type validator struct {
	root     map[string]any
	problems []string
}

func (v *validator) fail(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

func (v *validator) check(at string, schema map[string]any, value any) {
	for word, rule := range schema {
		switch word {
		case "$schema", "$comment", "$defs", "title", "description", "properties", "additionalProperties":
		case "$ref":
			name, _ := strings.CutPrefix(rule.(string), "#/$defs/")
			v.check(at, v.root["$defs"].(map[string]any)[name].(map[string]any), value)
		case "type":
			v.checkType(at, rule.(string), value)
		case "const":
			if value != rule {
				v.fail("%s is %v, not %v", at, value, rule)
			}
		case "enum":
			if !slices.Contains(rule.([]any), value) {
				v.fail("%s is %v, none of %v", at, value, rule)
			}
		case "minimum":
			if number, ok := value.(float64); ok && number < rule.(float64) {
				v.fail("%s is %v, less than %v", at, value, rule)
			}
		case "minItems":
			if list, ok := value.([]any); ok && len(list) < int(rule.(float64)) {
				v.fail("%s has %d items", at, len(list))
			}
		case "pattern":
			if text, ok := value.(string); ok && !regexp.MustCompile(rule.(string)).MatchString(text) {
				v.fail("%s is %q, which is not like %v", at, text, rule)
			}
		case "items":
			list, _ := value.([]any)
			for i, item := range list {
				v.check(fmt.Sprintf("%s[%d]", at, i), rule.(map[string]any), item)
			}
		case "required":
			object, _ := value.(map[string]any)
			for _, name := range rule.([]any) {
				if _, ok := object[name.(string)]; !ok {
					v.fail("%s has no %v", at, name)
				}
			}
		case "propertyNames":
			object, _ := value.(map[string]any)
			for name := range object {
				v.check(at+" name", rule.(map[string]any), name)
			}
		default:
			v.fail("this test doesn't know the word %q", word)
		}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, member := range object {
		rule, known := properties[name].(map[string]any)
		if !known {
			if rule, known = schema["additionalProperties"].(map[string]any); !known {
				if schema["additionalProperties"] == false {
					v.fail("%s has %q, which the schema doesn't know", at, name)
				}
				continue
			}
		}
		v.check(at+"."+name, rule, member)
	}
}

func (v *validator) checkType(at, want string, value any) {
	number, isNumber := value.(float64)
	ok := false
	switch want {
	case "object":
		_, ok = value.(map[string]any)
	case "array":
		_, ok = value.([]any)
	case "string":
		_, ok = value.(string)
	case "boolean":
		_, ok = value.(bool)
	case "number":
		ok = isNumber
	case "integer":
		ok = isNumber && number == float64(int64(number))
	}
	if !ok {
		v.fail("%s is no %s: %v", at, want, value)
	}
}
