// Package design holds what the pages of the program share: their colours, their type and the mark.
package design

import _ "embed"

// CSS is the style sheet that comes before that of a page.
//
//go:embed base.css
var CSS string

// Icon is the mark, in SVG.
//
//go:embed icon.svg
var Icon string
