// Additions and copies of whole arrays; see arrays.py.

// total += term
extern "C" __global__ void add_to(real *total, const real *term, int count) {
  int i = element();
  if (i < count) total[i] += term[i];
}

// Copies four axes of any order in memory into C order, where element (i0, i1, i2, i3) is
// number ((i0 * size1 + i1) * size2 + i2) * size3 + i3. Strides are in elements.
extern "C" __global__ void pack(const real *x, real *out, int size1, int size2,
                                int size3, int stride0, int stride1, int stride2,
                                int stride3, int count) {
  int i = element();
  if (i >= count) return;
  int rest = i;
  int i3 = rest % size3;
  rest /= size3;
  int i2 = rest % size2;
  rest /= size2;
  int i1 = rest % size1;
  int i0 = rest / size1;
  out[i] = x[i0 * stride0 + i1 * stride1 + i2 * stride2 + i3 * stride3];
}
