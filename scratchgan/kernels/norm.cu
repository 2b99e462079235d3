// Batch normalisation with an activation; see norm.py.
//
// A row is a pixel of an image, or a vector, with its channels side by side. Sums over
// rows have two stages without atomics, so that they come out the same every time. In
// the first a block of 32 x 8 threads takes 32 channels and a part of the rows: threads
// side by side read channels side by side, and eight rows are in flight. It leaves a
// line of `channels` numbers for each part. In the second a block of 8 x 32 threads
// combines the parts of 8 channels: those of a channel are shared by 32 threads, since
// one alone would wait for memory as often as there are parts.

#define LANES 32
#define ROWS 8
#define FOLD_LANES 8
#define FOLD_ROWS 32

// Sum of `value` over the block's rows, a power of two, valid in all of them. Half of the
// rows add what the other half holds, then half of those, always in the same order.
template <int lanes> __device__ inline real add_rows(real value, real (*shared)[lanes]) {
  int row = threadIdx.y, lane = threadIdx.x;
  __syncthreads();  // the last use of `shared` is over
  shared[row][lane] = value;
  for (int half = blockDim.y / 2; half > 0; half /= 2) {
    // what the others have written is there
    __syncthreads();
    if (row < half) shared[row][lane] += shared[row + half][lane];
  }
  __syncthreads();
  return shared[0][lane];
}

// First stage: mean and sum of squared deviations of each part of the rows. Values are
// taken relative to the part's first, so that a mean far from zero costs no digits.
extern "C" __global__ void moments_of_parts(const real *a, real *means, real *squares,
                                            int rows, int channels, int part_rows) {
  __shared__ real shared[ROWS][LANES];
  int c = blockIdx.x * LANES + threadIdx.x;
  int first = blockIdx.y * part_rows, last = min(first + part_rows, rows);
  real pivot = 0, sum = 0, square = 0;
  if (c < channels) {
    pivot = a[(long long)first * channels + c];
    for (int row = first + threadIdx.y; row < last; row += ROWS) {
      real d = a[(long long)row * channels + c] - pivot;
      sum += d;
      square += d * d;
    }
  }
  sum = add_rows(sum, shared);
  square = add_rows(square, shared);
  if (threadIdx.y == 0 && c < channels) {
    int count = last - first;
    // Deviations from the pivot become those from the mean.
    means[blockIdx.y * channels + c] = pivot + sum / count;
    squares[blockIdx.y * channels + c] = square - sum * sum / count;
  }
}

// Second stage: the moments of all rows (Chan, Golub and LeVeque 1983), the running
// averages, and scale and shift with which y = f(scale * a + shift).
extern "C" __global__ void fold_moments(const real *means, const real *squares,
                                        const real *gamma, const real *beta,
                                        real *running_mean, real *running_var,
                                        real *mean_out, real *inv_std_out, real *scale,
                                        real *shift, int rows, int part_rows, int parts,
                                        real eps, real momentum, int channels) {
  __shared__ real shared[FOLD_ROWS][FOLD_LANES];
  int c = blockIdx.x * FOLD_LANES + threadIdx.x;
  // Threads without a channel have no parts, but meet the others at the barriers.
  int first = threadIdx.y, last = c < channels ? parts : 0;
  real mean = 0;
  for (int p = first; p < last; p += FOLD_ROWS) {
    int count = min(part_rows, rows - p * part_rows);
    mean += means[p * channels + c] * (real(count) / rows);
  }
  mean = add_rows(mean, shared);
  // The parts' squares are about their own means.
  real square = 0;
  for (int p = first; p < last; p += FOLD_ROWS) {
    int count = min(part_rows, rows - p * part_rows);
    real d = means[p * channels + c] - mean;
    square += squares[p * channels + c] + count * d * d;
  }
  square = add_rows(square, shared);
  if (threadIdx.y || c >= channels) return;
  real var = square / rows;
  running_mean[c] += momentum * (mean - running_mean[c]);
  running_var[c] += momentum * (square / (rows - 1) - running_var[c]);
  real inv_std = 1 / sqrt(var + eps);
  mean_out[c] = mean;
  inv_std_out[c] = inv_std;
  scale[c] = gamma ? gamma[c] * inv_std : inv_std;
  shift[c] = (beta ? beta[c] : real(0)) - mean * scale[c];
}

// y = f(scale * a + shift)
extern "C" __global__ void normalise_activate(const real *a, const real *scale,
                                              const real *shift, real *y, int channels,
                                              int activation, real slope, int count) {
  int i = element();
  if (i >= count) return;
  int c = i % channels;
  y[i] = apply(activation, slope, scale[c] * a[i] + shift[c]);
}

// g = dy * f'(y), the gradient where normalisation ends. y is computed again, as forward
// did: to read it from memory would take longer.
__device__ inline real pull_back_to_norm(int activation, real slope, real dy, real a,
                                         real scale, real shift) {
  return pull_back(activation, slope, dy, apply(activation, slope, scale * a + shift));
}

// First stage of backward: the sums of g and g * (a - mean) over each part of the rows.
extern "C" __global__ void sums_of_parts(const real *dy, const real *a, const real *mean,
                                         const real *scale, const real *shift,
                                         real *sums, real *centred_sums, int rows,
                                         int channels, int part_rows, int activation,
                                         real slope) {
  __shared__ real shared[ROWS][LANES];
  int c = blockIdx.x * LANES + threadIdx.x;
  int first = blockIdx.y * part_rows, last = min(first + part_rows, rows);
  real sum = 0, centred = 0;
  if (c < channels)
    for (int row = first + threadIdx.y; row < last; row += ROWS) {
      long long i = (long long)row * channels + c;
      real g = pull_back_to_norm(activation, slope, dy[i], a[i], scale[c], shift[c]);
      sum += g;
      centred += g * (a[i] - mean[c]);
    }
  sum = add_rows(sum, shared);
  centred = add_rows(centred, shared);
  if (threadIdx.y == 0 && c < channels) {
    sums[blockIdx.y * channels + c] = sum;
    centred_sums[blockIdx.y * channels + c] = centred;
  }
}

// Second stage: adds dgamma and dbeta to the gradients, where there are any, and finds
// b and c with which da = scale * (g + b * a + c).
extern "C" __global__ void fold_sums(const real *sums, const real *centred_sums,
                                     const real *mean, const real *inv_std,
                                     real *gamma_grad, real *beta_grad, real *b_out,
                                     real *c_out, int rows, int parts, int channels) {
  __shared__ real shared[FOLD_ROWS][FOLD_LANES];
  int c = blockIdx.x * FOLD_LANES + threadIdx.x;
  int first = threadIdx.y, last = c < channels ? parts : 0;
  real dbeta = 0, centred = 0;
  for (int p = first; p < last; p += FOLD_ROWS) {
    dbeta += sums[p * channels + c];
    centred += centred_sums[p * channels + c];
  }
  dbeta = add_rows(dbeta, shared);
  centred = add_rows(centred, shared);
  if (threadIdx.y || c >= channels) return;
  real dgamma = centred * inv_std[c];  // sum of g * xhat
  if (gamma_grad) gamma_grad[c] += dgamma;
  if (beta_grad) beta_grad[c] += dbeta;
  // scale * (g - dbeta / rows - xhat * dgamma / rows), sorted by g, a and the rest.
  real b = -inv_std[c] * dgamma / rows;
  b_out[c] = b;
  c_out[c] = -dbeta / rows - b * mean[c];
}

// da = scale * (g + b * a + c)
extern "C" __global__ void norm_back(const real *dy, const real *a, const real *scale,
                                     const real *shift, const real *b, const real *c,
                                     real *da, int channels, int activation, real slope,
                                     int count) {
  int i = element();
  if (i >= count) return;
  int k = i % channels;
  real g = pull_back_to_norm(activation, slope, dy[i], a[i], scale[k], shift[k]);
  da[i] = scale[k] * (g + b[k] * a[i] + c[k]);
}
