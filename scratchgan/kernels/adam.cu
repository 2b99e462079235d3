// Adam for all parameters of a network at once; see adam.py.

// rates: {lr / (1 - beta1^t), sqrt(1 - beta2^t)}, on the device, because a recorded
// graph repeats the arguments it was recorded with.
extern "C" __global__ void adam(real *theta, const real *grad, real *m, real *v,
                                const real *rates, real beta1, real beta2, real eps,
                                real l2, int count) {
  int i = element();
  if (i >= count) return;
  real g = grad[i] + l2 * theta[i];
  real m_new = beta1 * m[i] + (1 - beta1) * g;
  real v_new = beta2 * v[i] + (1 - beta2) * (g * g);
  m[i] = m_new;
  v[i] = v_new;
  // lr * mhat / (sqrt(vhat) + eps), with the corrections of mhat and vhat in the rates
  theta[i] -= rates[0] * m_new / (sqrt(v_new) / rates[1] + eps);
}
