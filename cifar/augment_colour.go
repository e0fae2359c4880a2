package cifar

// The functions here change pixels (n, 3), red, green and blue from 0 to 255.

// clamp returns the nearest value from 0 to 255.
func clamp(v float32) float32 { return min(max(v, 0), 255) }

// grey returns the brightness of a colour (ITU-R BT.601).
func grey(red, green, blue float32) float32 { return 0.299*red + 0.587*green + 0.114*blue }

// brighten multiplies pixels by a factor.
func brighten(pixels []float32, factor float64) {
	f := float32(factor)
	for i, v := range pixels {
		pixels[i] = clamp(f * v)
	}
}

// contrast sets pixels x to f·x + (1 − f)·m, where m is the mean grey.
func contrast(pixels []float32, factor float64) {
	sum := 0.0
	for i := 0; i+2 < len(pixels); i += 3 {
		sum += float64(grey(pixels[i], pixels[i+1], pixels[i+2]))
	}
	f, rest := float32(factor), float32((1-factor)*sum/float64(len(pixels)/3))
	for i, v := range pixels {
		pixels[i] = clamp(f*v + rest)
	}
}

// saturate sets pixels x to f·x + (1 − f)·g, where g is their grey.
func saturate(pixels []float32, factor float64) {
	f, g := float32(factor), float32(1-factor)
	for i := 0; i+2 < len(pixels); i += 3 {
		p := pixels[i:][:3:3]
		rest := g * grey(p[0], p[1], p[2])
		p[0], p[1], p[2] = clamp(f*p[0]+rest), clamp(f*p[1]+rest), clamp(f*p[2]+rest)
	}
}

// sharpen sets pixels x of an image of shape (height, width, 3) to f·x + (1 − f)·s, where s is the
// mean of a pixel, five times, and its eight neighbours. The border, and images without another
// part, stay.
func sharpen(pixels, before []float32, height, width int, factor float64) {
	copy(before, pixels)
	f, g := float32(factor), float32((1-factor)/13)
	row := width * Channels
	for y := 1; y < height-1; y++ {
		for i := y*row + Channels; i < (y+1)*row-Channels; i++ {
			sum := 4 * before[i]
			for _, at := range [3]int{i - row, i, i + row} {
				sum += before[at-Channels] + before[at] + before[at+Channels]
			}
			pixels[i] = clamp(f*before[i] + g*sum)
		}
	}
}

// posterize leaves so many of the upper bits of pixels, rounded to bytes.
func posterize(pixels []float32, bits int) {
	mask := byte(0xff << (8 - bits))
	for i, v := range pixels {
		pixels[i] = float32(byte(v+0.5) & mask)
	}
}

// solarize inverts pixels of at least a threshold.
func solarize(pixels []float32, threshold float64) {
	for i, v := range pixels {
		if v >= float32(threshold) {
			pixels[i] = 255 - v
		}
	}
}

// stretch makes each channel range from 0 to 255, unless all its pixels are equal.
func stretch(pixels []float32) {
	for c := range Channels {
		least, most := float32(255), float32(0)
		for i := c; i < len(pixels); i += Channels {
			least, most = min(least, pixels[i]), max(most, pixels[i])
		}
		if least == most {
			continue
		}
		scale := 255 / (most - least)
		for i := c; i < len(pixels); i += Channels {
			pixels[i] = clamp((pixels[i] - least) * scale)
		}
	}
}

// equalize makes the values of each channel, rounded to bytes, about equally frequent, as Pillow's
// ImageOps.equalize does.
func equalize(pixels []float32) {
	for c := range Channels {
		var counts [256]int
		brightest := byte(0)
		for i := c; i < len(pixels); i += Channels {
			v := byte(pixels[i] + 0.5)
			counts[v]++
			brightest = max(brightest, v)
		}
		step := (len(pixels)/Channels - counts[brightest]) / 255
		if step == 0 {
			continue
		}
		var table [256]float32
		sum := step / 2
		for v, n := range counts {
			table[v] = float32(min(sum/step, 255))
			sum += n
		}
		for i := c; i < len(pixels); i += Channels {
			pixels[i] = table[byte(pixels[i]+0.5)]
		}
	}
}
