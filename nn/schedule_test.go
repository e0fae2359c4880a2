package nn

import (
	"math"
	"strings"
	"testing"
)

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		text         string
		warmUp       int
		step, epochs int // of 10 steps each
		want         float64
	}{
		{"0.1", 0, 0, 5, 0.1},
		{"0", 0, 7, 5, 0},
		{"1e-3", 0, 49, 5, 0.001},
		{"0.01:81,0.005:141,0.001", 0, 809, 200, 0.01},
		{"0.01:81,0.005:141,0.001", 0, 810, 200, 0.005},
		{"0.01:81,0.005:141,0.001", 0, 1409, 200, 0.005},
		{"0.01:81,0.005:141,0.001", 0, 1410, 200, 0.001},
		{"0.01:81,0.005:141,0.001", 0, 1999, 200, 0.001},
		{"0.1", 2, 0, 5, 0.005},
		{"0.1", 2, 19, 5, 0.1},
		{"0.1", 2, 20, 5, 0.1},
		{"0.2:1,0.1", 2, 10, 5, 0.1 * 11 / 20},
		{"cosine:0.05", 0, 0, 4, 0.05},
		{"cosine:0.05", 0, 20, 4, 0.025},
		{"cosine:0.05", 0, 10, 4, 0.025 * (1 + math.Sqrt2/2)},
		{"cosine:0.05", 0, 40, 4, 0},
		{"linear:0.05", 0, 0, 4, 0.05},
		{"linear:0.05", 0, 10, 4, 0.0375},
		{"linear:0.05", 0, 40, 4, 0},
		{"cosine:0.05", 2, 9, 4, 0.025},
		{"cosine:0.05", 2, 20, 4, 0.05},
		{"cosine:0.05", 2, 30, 4, 0.025},
	} {
		s, err := ParseSchedule(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := WarmUp(s, c.warmUp).At(c.step, 10, c.epochs); !(math.Abs(got-c.want) <= 1e-15) {
			t.Errorf("%s, warm-up %d, step %d of %d epochs: %v, want %v", c.text, c.warmUp, c.step, c.epochs, got, c.want)
		}
	}
}

func TestUntil(t *testing.T) {
	s := Until(Linear(0.4), 2)
	for _, c := range []struct {
		step, epochs int
		want         float64
	}{{0, 5, 0.4}, {10, 5, 0.2}, {19, 5, 0.02}, {20, 5, 0}, {49, 5, 0}, {5, 1, 0.2}, {10, 1, 0}} {
		if got := s.At(c.step, 10, c.epochs); !(math.Abs(got-c.want) <= 1e-15) {
			t.Errorf("step %d of %d epochs: %v, want %v", c.step, c.epochs, got, c.want)
		}
	}
}

func TestParseScheduleErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "a rate is missing",
		"x":                   `"x" is not a number`,
		"NaN":                 "finite",
		"inf":                 "finite",
		"1e999":               "infinite",
		"1e39":                "finite",
		"-0.1":                "at least 0",
		"0.1,0.2":             "needs the number of epochs",
		"0.1:5":               "takes no epoch",
		"0.1:5,0.05:5,0.01":   `epoch "5" must be a whole number above 5`,
		"0.1:5,0.05:3,0.01":   `epoch "3" must be a whole number above 5`,
		"0.1:0,0.05":          "above 0",
		"0.1:-1,0.05":         "above 0",
		"0.1:1.5,0.05":        "whole number",
		"0.1:5,":              "a rate is missing",
		"cosine":              "is not a number: want a rate such as 0.01, steps such as 0.01:81,0.001, cosine:0.05 or linear:0.05",
		"cosine:":             "a rate is missing",
		"cosine:-1":           "at least 0",
		"cosine:NaN":          "finite",
		"cosine:0.1:5,0.0001": "is not a number",
	} {
		if _, err := ParseSchedule(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}
