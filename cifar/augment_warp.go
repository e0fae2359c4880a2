package cifar

import "math"

// affine maps a pixel (x, y) to the position
//
//	(xx·x + xy·y + x0, yx·x + yy·y + y0)
type affine struct{ xx, xy, x0, yx, yy, y0 float64 }

// after returns the map that applies n first, then m.
func (m affine) after(n affine) affine {
	return affine{
		m.xx*n.xx + m.xy*n.yx, m.xx*n.xy + m.xy*n.yy, m.xx*n.x0 + m.xy*n.y0 + m.x0,
		m.yx*n.xx + m.yy*n.yx, m.yx*n.xy + m.yy*n.yy, m.yx*n.x0 + m.yy*n.y0 + m.y0,
	}
}

// moved returns (x, y) ↦ (x + tx, y + ty).
func moved(tx, ty float64) affine { return affine{1, 0, tx, 0, 1, ty} }

// mirrored returns (x, y) ↦ (width − 1 − x, y).
func mirrored(width int) affine { return affine{-1, 0, float64(width - 1), 0, 1, 0} }

// turned returns the map of an image that is turned by an angle, in radians, and magnified by a
// scale about its middle.
func turned(angle, scale float64, height, width int) affine {
	x, y := float64(width-1)/2, float64(height-1)/2
	sin, cos := math.Sincos(angle)
	sin, cos = sin/scale, cos/scale
	return moved(x, y).after(affine{cos, -sin, 0, sin, cos, 0}).after(moved(-x, -y))
}

// warp sets each pixel of dst, an image of shape (height, width, 3) like src, to that of src at the
// position to which m maps it, interpolated linearly between the four neighbours. A position
// outside the rows [0, height−1] or the columns [0, width−1] has the colour outside, or if that is
// nil the one that a mirror at the border shows.
func warp(dst []float32, src []byte, height, width int, m affine, outside *[Channels]float32) {
	lastX, lastY := float64(width-1), float64(height-1)
	for y := range height {
		row := dst[y*width*Channels:][:width*Channels]
		startX, startY := m.xy*float64(y)+m.x0, m.yy*float64(y)+m.y0
		for x := range width {
			out := row[x*Channels:][:Channels:Channels]
			u, v := m.xx*float64(x)+startX, m.yx*float64(x)+startY
			if !(u >= 0 && u <= lastX && v >= 0 && v <= lastY) {
				if outside != nil {
					copy(out, outside[:])
					continue
				}
				u, v = reflected(u, lastX), reflected(v, lastY)
			}
			left, up := int(u), int(v)
			fx, fy := float32(u-float64(left)), float32(v-float64(up))
			right, down := Channels, width*Channels // to the next neighbours
			if left == width-1 {
				right = 0
			}
			if up == height-1 {
				down = 0
			}
			at := (up*width + left) * Channels
			a, b := src[at:][:Channels:Channels], src[at+right:][:Channels:Channels]
			c, d := src[at+down:][:Channels:Channels], src[at+down+right:][:Channels:Channels]
			for k := range out {
				above := float32(a[k]) + fx*(float32(b[k])-float32(a[k]))
				below := float32(c[k]) + fx*(float32(d[k])-float32(c[k]))
				out[k] = above + fy*(below-above)
			}
		}
	}
}

// reflected returns the position from 0 to last that mirrors at both ends show at x.
func reflected(x, last float64) float64 {
	if last == 0 {
		return 0
	}
	x = math.Mod(math.Abs(x), 2*last)
	return min(x, 2*last-x)
}
