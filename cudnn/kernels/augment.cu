// Generates the images of a step from the dataset on the device.

// augment generates a batch: image i is number samples[i].index of pixels, bytes (h, w, channels),
// each looked up in table[channels][256], shifted with linear interpolation (0 outside the image:
// border pixels are not blended), then mirrored. The same as package cifar's, to the bit, before
// rounding to bfloat16. Block 256, grid the number of images.
KERNEL augment(act *images, const unsigned char *pixels, const float *table, const Sample *samples, int h, int w, int channels) {
	Sample s = samples[blockIdx.x];
	int row = w * channels, size = h * row;
	const unsigned char *image = pixels + (long long)s.index * size;
	images += (long long)blockIdx.x * size;
	double left = floor((double)s.tx), up = floor((double)s.ty), fx = s.tx - left, fy = s.ty - up;
	float w00 = (float)((1 - fy) * (1 - fx)), w01 = (float)((1 - fy) * fx), w10 = (float)(fy * (1 - fx)), w11 = (float)(fy * fx);
	int right = fx > 0 ? channels : 0, down = fy > 0 ? row : 0; // from a neighbour to the other
	for (int i = threadIdx.x; i < size; i += 256) {
		int c = i % channels, column = i / channels % w, y = i / row + (int)up, x = (s.mirrored != 0 ? w - 1 - column : column) + (int)left;
		float v = 0;
		if (x >= 0 && y >= 0 && x + (fx > 0) < w && y + (fy > 0) < h) {
			const unsigned char *in = image + y * row + x * channels + c;
			const float *t = table + c * 256;
			v = __fmul_rn(w00, t[in[0]]);
			v = __fadd_rn(v, __fmul_rn(w01, t[in[right]]));
			v = __fadd_rn(v, __fmul_rn(w10, t[in[down]]));
			v = __fadd_rn(v, __fmul_rn(w11, t[in[down + right]]));
		}
		images[i] = narrow(v);
	}
}
