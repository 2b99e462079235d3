// The CUDA language for g++, included before every kernel source.
//
// A kernel becomes an ordinary function; HOSTCUPY_KERNEL, appended for each kernel,
// exports what the runtime needs to call it. A thread of a kernel without barriers is
// one turn of a loop. A thread of a kernel with barriers is a fiber, which the runtime
// switches at every barrier.
#pragma once
#include <cassert>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <tuple>
#include <type_traits>
#include <utility>

#include "launch.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __constant__ static
#define __align__(bytes) __attribute__((aligned(bytes)))

// The shared variables of a module are its only thread-local ones, so the runtime finds
// them all, also those of templates, as the module's one thread-local segment.
#define __shared__ static __thread __attribute__((aligned(16)))

static const int warpSize = 32;

// ------------------------------------------------------------------ vector types

#define HOSTCUPY_VECTORS(prefix, T)                                                  \
  struct alignas(sizeof(T)) prefix##1 { T x; };                                      \
  struct alignas(2 * sizeof(T)) prefix##2 { T x, y; };                               \
  struct prefix##3 { T x, y, z; };                                                   \
  struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) prefix##4 { T x, y, z, w; };    \
  inline prefix##1 make_##prefix##1(T x) { return {x}; }                             \
  inline prefix##2 make_##prefix##2(T x, T y) { return {x, y}; }                     \
  inline prefix##3 make_##prefix##3(T x, T y, T z) { return {x, y, z}; }             \
  inline prefix##4 make_##prefix##4(T x, T y, T z, T w) { return {x, y, z, w}; }

HOSTCUPY_VECTORS(char, signed char)
HOSTCUPY_VECTORS(uchar, unsigned char)
HOSTCUPY_VECTORS(short, short)
HOSTCUPY_VECTORS(ushort, unsigned short)
HOSTCUPY_VECTORS(int, int)
HOSTCUPY_VECTORS(longlong, long long)
HOSTCUPY_VECTORS(float, float)
HOSTCUPY_VECTORS(double, double)

struct uint1 { unsigned x; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}

typedef unsigned long long cudaTextureObject_t;  // named, never used, by CuPy

// ------------------------------------------------------------------ barriers

// Every use of a barrier that reaches the object file leaves a byte in this section:
// so a module knows whether its kernels need fibers.
#define HOSTCUPY_MARK_BARRIER() \
  asm volatile(".pushsection hostcupy_barriers,\"a\"\n.byte 1\n.popsection")
extern "C" const char __start_hostcupy_barriers[]
    __attribute__((weak, visibility("hidden")));

inline void __syncthreads() {
  HOSTCUPY_MARK_BARRIER();
  hostcupy::wait_for_block();
}

inline void __syncwarp(unsigned lanes = 0xffffffffu) {
  HOSTCUPY_MARK_BARRIER();
  hostcupy::wait_for_warp(lanes);
}

inline unsigned __ballot_sync(unsigned lanes, int predicate) {
  HOSTCUPY_MARK_BARRIER();
  return hostcupy::ballot(lanes, predicate);
}

inline int __any_sync(unsigned lanes, int predicate) {
  return __ballot_sync(lanes, predicate) != 0;
}

inline int __all_sync(unsigned lanes, int predicate) {
  return __ballot_sync(lanes, !predicate) == 0;
}

namespace hostcupy {
template <class T> T shuffle(unsigned lanes, T value, unsigned from) {
  HOSTCUPY_MARK_BARRIER();
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves at most eight bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(lanes, bits, from);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
}  // namespace hostcupy

template <class T> T __shfl_sync(unsigned lanes, T value, int from, int width = 32) {
  unsigned group = hostcupy::lane() & ~(width - 1);
  return hostcupy::shuffle(lanes, value, group + (from & (width - 1)));
}

template <class T>
T __shfl_down_sync(unsigned lanes, T value, unsigned by, int width = 32) {
  unsigned own = hostcupy::lane(), place = own & (width - 1);
  return hostcupy::shuffle(lanes, value, place + by < unsigned(width) ? own + by : own);
}

template <class T>
T __shfl_up_sync(unsigned lanes, T value, unsigned by, int width = 32) {
  unsigned own = hostcupy::lane(), place = own & (width - 1);
  return hostcupy::shuffle(lanes, value, place >= by ? own - by : own);
}

template <class T> T __shfl_xor_sync(unsigned lanes, T value, int with, int = 32) {
  return hostcupy::shuffle(lanes, value, hostcupy::lane() ^ with);
}

// Threads run one at a time and in order, so a fence has nothing to do.
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

// ------------------------------------------------------------------ atomics

// A thread gives up the processor only at a barrier: plain code is atomic.
#define HOSTCUPY_ATOMIC(name, T, result)     \
  inline T name(T *address, T value) {       \
    T old = *address;                        \
    *address = result;                       \
    return old;                              \
  }
#define HOSTCUPY_ATOMICS(T)                                        \
  HOSTCUPY_ATOMIC(atomicAdd, T, old + value)                       \
  HOSTCUPY_ATOMIC(atomicSub, T, old - value)                       \
  HOSTCUPY_ATOMIC(atomicExch, T, value)                            \
  HOSTCUPY_ATOMIC(atomicMax, T, value > old ? value : old)         \
  HOSTCUPY_ATOMIC(atomicMin, T, value < old ? value : old)         \
  HOSTCUPY_ATOMIC(atomicAnd, T, old & value)                       \
  HOSTCUPY_ATOMIC(atomicOr, T, old | value)                        \
  HOSTCUPY_ATOMIC(atomicXor, T, old ^ value)                       \
  inline T atomicCAS(T *address, T expected, T value) {            \
    T old = *address;                                              \
    if (old == expected) *address = value;                         \
    return old;                                                    \
  }

HOSTCUPY_ATOMICS(int)
HOSTCUPY_ATOMICS(unsigned)
HOSTCUPY_ATOMICS(unsigned long long)
HOSTCUPY_ATOMIC(atomicAdd, float, old + value)
HOSTCUPY_ATOMIC(atomicAdd, double, old + value)
HOSTCUPY_ATOMIC(atomicExch, float, value)

inline unsigned atomicInc(unsigned *address, unsigned last) {
  unsigned old = *address;
  *address = old >= last ? 0 : old + 1;
  return old;
}

// ------------------------------------------------------------------ intrinsics

namespace hostcupy {
template <class To, class From> To same_bits(const From &from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
}  // namespace hostcupy

inline int __float_as_int(float x) { return hostcupy::same_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return hostcupy::same_bits<unsigned>(x); }
inline float __int_as_float(int x) { return hostcupy::same_bits<float>(x); }
inline float __uint_as_float(unsigned x) { return hostcupy::same_bits<float>(x); }
inline long long __double_as_longlong(double x) {
  return hostcupy::same_bits<long long>(x);
}
inline double __longlong_as_double(long long x) {
  return hostcupy::same_bits<double>(x);
}

template <class T> T __ldg(const T *address) { return *address; }
template <class T> T __ldcs(const T *address) { return *address; }
template <class T> T __ldcg(const T *address) { return *address; }
template <class T> void __stcs(T *address, T value) { *address = value; }
template <class T> void __stcg(T *address, T value) { *address = value; }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __mul24(int a, int b) { return a * b; }
inline unsigned __umulhi(unsigned a, unsigned b) { return uint64_t(a) * b >> 32; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned __int128>(a) * b >> 64;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __powf(float x, float y) { return std::pow(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline double __fma_rn(double x, double y, double z) { return std::fma(x, y, z); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }

// CUDA has the functions of <cmath> without the namespace and for each type of number.
using std::abs, std::acos, std::acosh, std::asin, std::asinh, std::atan, std::atan2,
    std::atanh, std::cbrt, std::ceil, std::copysign, std::cos, std::cosh, std::erf,
    std::erfc, std::exp, std::exp2, std::expm1, std::fabs, std::floor, std::fma,
    std::fmax, std::fmin, std::fmod, std::frexp, std::hypot, std::isfinite, std::isinf,
    std::isnan, std::ldexp, std::lgamma, std::log, std::log10, std::log1p, std::log2,
    std::modf, std::nextafter, std::pow, std::rint, std::round, std::signbit, std::sin,
    std::sinh, std::sqrt, std::tan, std::tanh, std::tgamma, std::trunc;

#define HOSTCUPY_MIN_MAX(T)                               \
  inline T min(T a, T b) { return b < a ? b : a; }        \
  inline T max(T a, T b) { return a < b ? b : a; }

HOSTCUPY_MIN_MAX(int)
HOSTCUPY_MIN_MAX(unsigned)
HOSTCUPY_MIN_MAX(long)
HOSTCUPY_MIN_MAX(unsigned long)
HOSTCUPY_MIN_MAX(long long)
HOSTCUPY_MIN_MAX(unsigned long long)
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }

// Half precision: conversions only, as CuPy's float16 class uses them.
inline unsigned short __float2half_rn(float x) {
  return hostcupy::same_bits<unsigned short>(static_cast<_Float16>(x));
}
inline float __half2float(unsigned short x) { return hostcupy::same_bits<_Float16>(x); }
template <class Half> unsigned short __half_as_ushort(const Half &x) {
  return hostcupy::same_bits<unsigned short>(x);
}
// CuPy defines `half` after this file, so only a macro can name it here.
#define __ushort_as_half(bits) (hostcupy::same_bits<half, unsigned short>(bits))

// ------------------------------------------------------------------ entry points

namespace hostcupy {
template <auto function> struct Entry;

template <class... T, void (*function)(T...)> struct Entry<function> {
  using Arguments = std::tuple<std::remove_cv_t<T>...>;

  template <size_t... i>
  static void *copied(void **pointers, std::index_sequence<i...>) {
    return new Arguments(*static_cast<std::remove_cv_t<T> *>(pointers[i])...);
  }

  static void *copy_arguments(void **pointers) {
    return copied(pointers, std::index_sequence_for<T...>());
  }

  static void free_arguments(void *arguments) {
    delete static_cast<Arguments *>(arguments);
  }

  static void run_thread(const void *arguments) {
    std::apply(function, *static_cast<const Arguments *>(arguments));
  }

  static void run_block(const void *arguments, const Order &threads) {
    threads.each([=](unsigned number) {
      threadIdx = position_in(blockDim, number);
      run_thread(arguments);
    });
  }

  static bool has_barriers() { return __start_hostcupy_barriers != nullptr; }

  static constexpr Kernel kernel{copy_arguments, free_arguments, run_thread, run_block,
                                 has_barriers};
};
}  // namespace hostcupy

#define HOSTCUPY_EXPORT extern "C" __attribute__((visibility("default"), used))
#define HOSTCUPY_KERNEL(name, ...)                                      \
  HOSTCUPY_EXPORT const hostcupy::Kernel *const hostcupy_kernel_##name; \
  const hostcupy::Kernel *const hostcupy_kernel_##name =                \
      &hostcupy::Entry<__VA_ARGS__>::kernel;
