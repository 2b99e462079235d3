// What every kernel uses. `real` is float or double, chosen when this is compiled.
//
// Arrays are dense. A matrix of `rows` x `channels` stands for images with their
// channels last in memory: the channel of element i is i % channels.

// This thread's number among all that were started.
__device__ inline int element() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Activations, by the number that scratchgan/kernels/activation.py gives them.
enum Activation { IDENTITY, LEAKY_RELU, TANH, SIGMOID };

// Exact to the last digits at both ends: exp never overflows, since t <= 1, and a small
// result is not rounded to zero, as one minus the sigmoid of -x would be.
__device__ inline real sigmoid(real x) {
  real t = exp(-fabs(x));
  return (x >= 0 ? real(1) : t) / (1 + t);
}

// f(x); `slope` is the leaky rectifier's, 0 for the plain one.
__device__ inline real apply(int activation, real slope, real x) {
  switch (activation) {
    case LEAKY_RELU: return x > 0 ? x : slope * x;
    case TANH: return tanh(x);
    case SIGMOID: return sigmoid(x);
    default: return x;
  }
}

// dy times the derivative of f where its value is y.
__device__ inline real pull_back(int activation, real slope, real dy, real y) {
  switch (activation) {
    case LEAKY_RELU: return y > 0 ? dy : slope * dy;
    case TANH: return dy * (1 - y * y);
    case SIGMOID: return dy * y * (1 - y);
    default: return dy;
  }
}

// Sum of `value` over a block of one dimension, valid in thread 0. `shared` has a place
// for each thread; their number is a power of two. Half of the threads add what the
// other half holds, then half of those, always in the same order.
__device__ inline real block_sum(real value, real *shared) {
  int t = threadIdx.x;
  __syncthreads();  // the last use of `shared` is over
  shared[t] = value;
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    // what the others have written is there
    __syncthreads();
    if (t < half) shared[t] += shared[t + half];
  }
  return shared[0];
}
