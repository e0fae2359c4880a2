package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// lineInterval is the time between two lines of progress without a terminal.
const lineInterval = 5 * time.Second

// Progress shows how far work has come: with a bar on a terminal, in lines elsewhere.
type Progress struct {
	out      *Output
	terminal bool
	bar      *progressbar.ProgressBar // nil while there is none
	shown    time.Time                // the last line
}

// NewProgress returns a progress that writes to out.
func NewProgress(out *Output) *Progress {
	terminal := term.IsTerminal(int(out.file.Fd())) && os.Getenv("TERM") != "dumb" // which cannot redraw a line
	return &Progress{out: out, terminal: terminal, shown: time.Now()}
}

// Line prints a line with a heading. A newline in a value is escaped.
func (p *Progress) Line(heading, format string, values ...any) {
	p.Printf("%-9s %s\n", heading, OneLine(fmt.Sprintf(format, values...)))
}

// Printf removes the bar and prints a text that ends a line.
func (p *Progress) Printf(format string, values ...any) {
	p.EndBar()
	p.out.Printf(format, values...)
	p.shown = time.Now()
}

// Steps shows how many steps of a total are done, beside facts: on a terminal the first ones, as
// many as fit beside the bar.
func (p *Progress) Steps(done, total int, facts ...string) {
	switch {
	case p.terminal:
		if p.bar == nil {
			p.bar = p.newBar(total)
		}
		space := p.columns() - len(fmt.Sprintf(" 100%%  (%d/%d)  ", total, total)) // the bar itself shrinks as needed
		progressbar.OptionSetDescription(OneLine(fitting(facts, space)))(p.bar)    // Describe would redraw the bar
		p.bar.Set(done)
	case time.Since(p.shown) >= lineInterval:
		p.shown = time.Now()
		p.out.Printf("%s step %d/%d  %s\n", facts[0], done, total, strings.Join(facts[1:], " "))
	}
}

// Download shows how many bytes of a download have arrived.
func (p *Progress) Download(done, total int64) {
	const mega = 1e6
	switch {
	case p.terminal:
		if p.bar == nil {
			p.bar = p.newBar(int(total), progressbar.OptionShowBytes(true),
				progressbar.OptionSetDescription("download"))
		}
		p.bar.Set64(done)
		if done == total {
			p.EndBar()
		}
	case time.Since(p.shown) >= lineInterval:
		p.Line("download", "%.0f of %.0f MB", float64(done)/mega, float64(total)/mega)
	}
}

// Images shows how many image files of a total are read.
func (p *Progress) Images(done, total int) {
	const interval = 100 * time.Millisecond // between updates of the bar
	switch {
	case p.terminal && (done == total || time.Since(p.shown) >= interval):
		if p.bar == nil {
			p.bar = p.newBar(total, progressbar.OptionSetDescription("images"))
		}
		p.bar.Set(done)
		p.shown = time.Now()
		if done == total {
			p.EndBar()
		}
	case !p.terminal && time.Since(p.shown) >= lineInterval:
		p.Line("images", "%d of %d read", done, total)
	}
}

// EndBar removes the bar from the terminal.
func (p *Progress) EndBar() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
}

// columns returns the width of the terminal.
func (p *Progress) columns() int {
	if width, _, err := term.GetSize(int(p.out.file.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// fitting joins the first facts, as many as fit into the columns: a line that wraps could not be
// redrawn.
func fitting(facts []string, columns int) string {
	text := ""
	for i, fact := range facts {
		if i > 0 {
			fact = " " + fact
		}
		if len(text)+len(fact) > columns {
			break
		}
		text += fact
	}
	return text
}

func (p *Progress) newBar(steps int, options ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions(steps, append(options,
		progressbar.OptionSetWriter(p.out.file), progressbar.OptionUseANSICodes(true),
		progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionShowCount(),
		progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetWidth(20),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}))...)
}
