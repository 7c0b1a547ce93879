// SPDX-License-Identifier: GPL-3.0-or-later

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
	ms       float64
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Time    string      `xml:"time,attr"`
	Failure *junitCause `xml:"failure,omitempty"`
	Error   *junitCause `xml:"error,omitempty"`
	Skipped *junitCause `xml:"skipped,omitempty"`
}

type junitCause struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the run as JUnit XML, one suite a clause family. Verdicts
// that JUnit has no word for stand in the type attribute.
func (r *Run) WriteJUnit(w io.Writer) error {
	all := junitSuites{Name: "sydtest", Time: seconds(r.MS)}
	index := map[string]int{}
	for _, family := range r.Families {
		index[family.Name] = len(all.Suites)
		all.Suites = append(all.Suites, junitSuite{Name: family.Name})
	}
	for _, s := range r.Specs {
		suite := &all.Suites[index[s.Family]]
		c := junitCase{Name: "[" + s.ID + "] " + s.Sentence, Class: "syd." + s.Family, Time: seconds(s.MS)}
		first, _, _ := strings.Cut(s.Message, "\n")
		cause := &junitCause{Type: string(s.Verdict), Message: clean(first), Text: clean(strings.TrimSpace(s.Message + "\n" + s.Details))}
		switch {
		case s.Verdict.Green():
		case s.Verdict.Skipped():
			if s.Unsupported != nil {
				cause.Message = fmt.Sprintf("needs %s: %s", s.Unsupported.Required, s.Unsupported.Observed)
			}
			c.Skipped = cause
			suite.Skipped++
		case s.Verdict == Error:
			c.Error = cause
			suite.Errors++
		default:
			c.Failure = cause
			suite.Failures++
		}
		suite.Tests++
		suite.ms += s.MS
		suite.Cases = append(suite.Cases, c)
	}
	for i := range all.Suites {
		s := &all.Suites[i]
		s.Time = seconds(s.ms)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(ms float64) string { return fmt.Sprintf("%.3f", ms/1000) }

// clean drops the control characters that XML 1.0 cannot hold.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return '\uFFFD'
		}
		return r
	}, text)
}
