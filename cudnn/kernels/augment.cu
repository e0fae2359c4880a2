// The images of a step from the data set on the card.

// augment draws a batch: image i is pixels[samples[i].index] of bytes (32, 32, 3), looked up in table[3][256] (the normalized value of
// each byte in each channel), shifted with linear interpolation (0 where it comes from outside: nothing is blended at the
// border), then mirrored. images is (n, 32, 32, channels), with zeros in the channels after the third; labels
// gets the class numbers. The same as package cifar's, to the bit, before rounding to bfloat16. Block 256, grid n.
KERNEL augment(act *images, float *labels, const unsigned char *pixels, const Sample *samples, const float *table, int channels) {
	__shared__ unsigned char image[3072];
	__shared__ float normal[768];
	Sample s = samples[blockIdx.x];
	for (int i = threadIdx.x; i < 3072; i += 256) image[i] = pixels[s.index * 3072ll + i];
	for (int i = threadIdx.x; i < 768; i += 256) normal[i] = table[i];
	if (threadIdx.x == 0) labels[blockIdx.x] = (float)s.label;
	__syncthreads();

	double left = floor((double)s.tx), up = floor((double)s.ty), fx = s.tx - left, fy = s.ty - up;
	float w00 = (float)((1 - fy) * (1 - fx)), w01 = (float)((1 - fy) * fx), w10 = (float)(fy * (1 - fx)), w11 = (float)(fy * fx);
	int right = fx > 0 ? 3 : 0, down = fy > 0 ? 96 : 0; // from a neighbour to the other
	for (int p = threadIdx.x; p < 1024; p += 256) {
		int y = p / 32 + (int)up, column = p % 32, x = (s.flip ? 31 - column : column) + (int)left;
		bool inside = x >= 0 && y >= 0 && x + (fx > 0) < 32 && y + (fy > 0) < 32;
		act *out = images + (blockIdx.x * 1024ll + p) * channels;
		const unsigned char *in = image + (y * 32 + x) * 3;
		for (int c = 0; c < channels; c++) {
			float v = 0;
			if (inside && c < 3) {
				const float *t = normal + c * 256;
				v = __fmul_rn(w00, t[in[c]]);
				v = __fadd_rn(v, __fmul_rn(w01, t[in[c + right]]));
				v = __fadd_rn(v, __fmul_rn(w10, t[in[c + down]]));
				v = __fadd_rn(v, __fmul_rn(w11, t[in[c + down + right]]));
			}
			out[c] = narrow(v);
		}
	}
}
