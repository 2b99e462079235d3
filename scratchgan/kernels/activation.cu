// Activations of single elements; see activation.py.

extern "C" __global__ void activate(const real *x, real *y, int activation, real slope,
                                    int count) {
  int i = element();
  if (i < count) y[i] = apply(activation, slope, x[i]);
}

extern "C" __global__ void activate_back(const real *dy, const real *y, real *dx,
                                         int activation, real slope, int count) {
  int i = element();
  if (i < count) dx[i] = pull_back(activation, slope, dy[i], y[i]);
}
