// Images as strips, for convolution, and back; see strips.py.
//
// Strips have the shape (I, J, N, P, K, C), C last in memory: strip i and window j hold
// for every image P rows and K columns of pixels, from row i*stride_h - top and column
// j*stride_w - left on. The values of all images at such a place (i, j), or at a pixel on
// the way back, lie one after another.
//
// Each direction has two kernels. That by fours moves four channels at once and finds
// where they lie without a division for each value: a block takes one place, its threads
// count channels in x and images in y. The other is for numbers of channels, or orders
// in memory, that have no fours: `parts` blocks share the values of a place.

// Four channels side by side, one load or store of 16 bytes in float32.
struct alignas(4 * sizeof(real)) Four {
  real v[4];
};

// Zero outside the image. Strides of x are in elements, in the order n, c, h, w.
extern "C" __global__ void to_strips(const real *x, real *strips, int J, int N, int P,
                                     int K, int C, int H, int W, int stride_h,
                                     int stride_w, int top, int left, int xn, int xc,
                                     int xh, int xw, int parts) {
  int place = blockIdx.x / parts, part = blockIdx.x % parts;
  int h0 = place / J * stride_h - top, w0 = place % J * stride_w - left;
  int size = N * P * K * C;
  real *out = strips + (long long)place * size;
  for (int e = part * blockDim.x + threadIdx.x; e < size; e += parts * blockDim.x) {
    int c = e % C, rest = e / C;  // e counts (n, p, k, c)
    int w = w0 + rest % K;
    rest /= K;
    int h = h0 + rest % P, n = rest / P;
    bool inside = 0 <= h && h < H && 0 <= w && w < W;
    out[e] = inside ? x[(long long)n * xn + (long long)c * xc +
                             (long long)h * xh + w * xw] : real(0);
  }
}

// The same for channels that lie side by side, a multiple of four. Because nothing is
// both read and written (__restrict__), loads need not wait for the stores before them.
extern "C" __global__ void to_strips_by_fours(const real *__restrict__ x,
                                              real *__restrict__ strips, int J, int N,
                                              int P, int K, int C, int H, int W,
                                              int stride_h, int stride_w, int top,
                                              int left, int xn, int xh, int xw) {
  int place = blockIdx.x;
  int h0 = place / J * stride_h - top, w0 = place % J * stride_w - left;
  for (int n = blockIdx.y * blockDim.y + threadIdx.y; n < N; n += gridDim.y * blockDim.y)
    for (int c = 4 * threadIdx.x; c < C; c += 4 * blockDim.x) {
      const real *from = x + (long long)n * xn + c;
      real *to = strips + ((long long)place * N + n) * P * K * C + c;
      for (int p = 0; p < P; p++)
#pragma unroll 4
        for (int k = 0; k < K; k++) {
          int h = h0 + p, w = w0 + k;
          bool inside = 0 <= h && h < H && 0 <= w && w < W;
          Four value{};
          if (inside) value = *(const Four *)(from + (long long)h * xh + (long long)w * xw);
          *(Four *)(to + (p * K + k) * C) = value;
        }
    }
}

// The transpose: every pixel is the sum of its copies in the strips. Writes images of
// memory order (H, W, N, C). I strips cover all rows that count.
extern "C" __global__ void from_strips(const real *strips, real *x, int I, int J, int N,
                                       int P, int K, int C, int W, int stride_h,
                                       int stride_w, int top, int left, int parts) {
  int pixel = blockIdx.x / parts, part = blockIdx.x % parts;
  int h = pixel / W + top, w = pixel % W + left;  // in the padded image
  // Strips i with i*stride <= h < i*stride + P, and windows likewise.
  int i_last = min(h / stride_h, I - 1), j_last = min(w / stride_w, J - 1);
  int size = N * C;
  real *out = x + (long long)pixel * size;
  for (int e = part * blockDim.x + threadIdx.x; e < size; e += parts * blockDim.x) {
    int c = e % C, n = e / C;  // e counts (n, c)
    real sum = 0;
    for (int i = i_last; i >= 0 && h - i * stride_h < P; i--)
      for (int j = j_last; j >= 0 && w - j * stride_w < K; j--) {
        long long place = ((long long)i * J + j) * N + n;
        int p = h - i * stride_h, k = w - j * stride_w;
        sum += strips[((place * P + p) * K + k) * C + c];
      }
    out[e] = sum;
  }
}

// The same for a multiple of four channels.
extern "C" __global__ void from_strips_by_fours(const real *__restrict__ strips,
                                                real *__restrict__ x, int I, int J,
                                                int N, int P, int K, int C, int W,
                                                int stride_h, int stride_w, int top,
                                                int left) {
  int pixel = blockIdx.x;
  int h = pixel / W + top, w = pixel % W + left;  // in the padded image
  int i_last = min(h / stride_h, I - 1), j_last = min(w / stride_w, J - 1);
  for (int n = blockIdx.y * blockDim.y + threadIdx.y; n < N; n += gridDim.y * blockDim.y)
    for (int c = 4 * threadIdx.x; c < C; c += 4 * blockDim.x) {
      Four sum{};
      for (int i = i_last; i >= 0 && h - i * stride_h < P; i--)
        for (int j = j_last; j >= 0 && w - j * stride_w < K; j--) {
          long long place = ((long long)i * J + j) * N + n;
          int p = h - i * stride_h, k = w - j * stride_w;
          Four copy = *(const Four *)(strips + ((place * P + p) * K + k) * C + c);
          for (int f = 0; f < 4; f++) sum.v[f] += copy.v[f];
        }
      *(Four *)(x + ((long long)pixel * N + n) * C + c) = sum;
    }
}
