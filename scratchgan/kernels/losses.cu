// Losses on logits with their gradients; see losses.py. A batch has few logits, so one
// block of threads does it all, and sums in one order. Each thread takes every 256th
// logit or row; `shared` is where block_sum adds up what they have found.

// Mean of softplus(a) - target * a, and (sigmoid(a) - target) / count.
extern "C" __global__ void sigmoid_cross_entropy(const real *logits, real *loss,
                                                 real *dlogits, real target,
                                                 int count) {
  __shared__ real shared[256];
  real sum = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    real a = logits[i];
    // softplus(a) = log(1 + exp(a)), without a large exponential
    sum += fmax(a, real(0)) + log1p(exp(-fabs(a))) - target * a;
    dlogits[i] = (sigmoid(a) - target) / count;
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) *loss = sum / count;
}

// With p = softmax of a row: mean of -log p[target], and (p - onehot) / rows.
extern "C" __global__ void softmax_cross_entropy(const real *logits, real *loss,
                                                 real *dlogits, int target,
                                                 int classes, int rows) {
  __shared__ real shared[256];
  real sum = 0;
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    const real *a = logits + row * classes;
    real *d = dlogits + row * classes;
    // softmax is the same when all logits are less by one number: no exp overflows
    real largest = a[0];
    for (int k = 1; k < classes; k++) largest = fmax(largest, a[k]);
    real total = 0;
    for (int k = 0; k < classes; k++) total += exp(a[k] - largest);
    for (int k = 0; k < classes; k++)
      d[k] = (exp(a[k] - largest) / total - (k == target)) / rows;
    sum += log(total) - (a[target] - largest);  // -log p[target]
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) *loss = sum / rows;
}

// Mean probability of being real: the sigmoid of a logit, or of the difference of two.
extern "C" __global__ void mean_real_probability(const real *logits, real *mean,
                                                 int classes, int rows) {
  __shared__ real shared[256];
  real sum = 0;
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    const real *a = logits + row * classes;
    sum += sigmoid(classes == 1 ? a[0] : a[1] - a[0]);
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) *mean = sum / rows;
}
