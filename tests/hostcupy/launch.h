// What a compiled kernel and the runtime know of each other.
#pragma once
#include <cstddef>
#include <cstdint>

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// The runtime sets these before it lets a thread run.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace hostcupy {

// The dynamic shared memory of the running block.
extern char *dynamic_shared;

// Stop the running thread until all threads of its block, or the lanes of its warp
// named by the mask, have stopped too.
void wait_for_block();
void wait_for_warp(unsigned lanes);

// Give `bits` to the other lanes of the warp and return those of lane `from`.
uint64_t exchange(unsigned lanes, uint64_t bits, unsigned from);
// Return the lanes whose predicate is true, one bit each.
unsigned ballot(unsigned lanes, bool predicate);
// Lane number of the running thread in its warp.
unsigned lane();

// A way through 0 .. count-1 that meets each number once: start at `first` and go on by
// `step` modulo `count`; the two share no divisor.
struct Order {
  unsigned count, first, step;

  template <class Visit> void each(Visit visit) const {
    uint64_t position = first;
    for (unsigned i = 0; i < count; i++) {
      visit(static_cast<unsigned>(position));
      position += step;
      if (position >= count) position -= count;
    }
  }
};

// One entry point of a compiled module, which the module exports under the name
// hostcupy_kernel_<name>.
struct Kernel {
  void *(*copy_arguments)(void **pointers);
  void (*free_arguments)(void *arguments);
  void (*run_thread)(const void *arguments);
  void (*run_block)(const void *arguments, const Order &threads);
  bool (*has_barriers)();
};

inline uint3 position_in(const dim3 &size, unsigned number) {
  if (size.y == 1 && size.z == 1) return {number, 0, 0};
  return {number % size.x, number / size.x % size.y, number / size.x / size.y};
}

}  // namespace hostcupy
