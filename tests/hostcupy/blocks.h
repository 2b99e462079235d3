// Runs the blocks and threads of a launch one after the other, in a chosen order.
//
// Threads that meet at barriers are fibers: each has a stack of its own and runs until
// it has to wait. Everything here runs on one processor thread, under Python's lock.
#pragma once
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "launch.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace hostcupy {

enum class ThreadOrder { ascending, descending, shuffled };
static ThreadOrder thread_order = ThreadOrder::ascending;
static std::mt19937 randomness(1);

static Order make_order(uint64_t count) {
  unsigned n = static_cast<unsigned>(count);
  switch (thread_order) {
    case ThreadOrder::ascending: return {n, 0, 1};
    case ThreadOrder::descending: return {n, n - 1, n - 1};
    case ThreadOrder::shuffled: break;
  }
  unsigned step = randomness() % n;
  while (std::gcd(step, n) != 1) step = (step + 1) % n;
  return {n, static_cast<unsigned>(randomness() % n), step};
}

// ------------------------------------------------------------------ shared memory

constexpr size_t PAGE = 4096;

// 0xFF in every byte is NaN for each float type: what reads it shows in the result.
constexpr int UNINITIALISED = 0xFF;
constexpr size_t MOST_SHARED = 96 << 10;  // what the smallest supported GPU can give

char *dynamic_shared;

// Place the dynamic shared memory of a launch so that it ends at a page without access.
static void place_dynamic_shared(size_t bytes) {
  static char *end = [] {
    void *buffer = mmap(nullptr, MOST_SHARED + PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *end = static_cast<char *>(buffer) + MOST_SHARED;
    mprotect(end, PAGE, PROT_NONE);
    return end;
  }();
  dynamic_shared = end - (bytes + 15) / 16 * 16;
}

// The static shared memory of a module: its thread-local segment.
struct StaticShared {
  size_t module = 0, bytes = 0;

  void fill(int value) const;
};

extern "C" void *__tls_get_addr(size_t *module_and_offset);

inline void StaticShared::fill(int value) const {
  if (!bytes) return;
  size_t start[2] = {module, 0};
  std::memset(__tls_get_addr(start), value, bytes);
}

// Find the thread-local segment of the module that contains this address.
inline StaticShared find_static_shared(const void *address) {
  struct Search {
    uintptr_t address;
    StaticShared found;
  } search{reinterpret_cast<uintptr_t>(address), {}};
  dl_iterate_phdr(
      [](dl_phdr_info *module, size_t, void *data) {
        auto &search = *static_cast<Search *>(data);
        bool contains = false;
        size_t bytes = 0;
        for (int i = 0; i < module->dlpi_phnum; i++) {
          const auto &segment = module->dlpi_phdr[i];
          uintptr_t start = module->dlpi_addr + segment.p_vaddr;
          if (segment.p_type == PT_LOAD && search.address >= start &&
              search.address < start + segment.p_memsz)
            contains = true;
          if (segment.p_type == PT_TLS) bytes = segment.p_memsz;
        }
        if (contains) search.found = {module->dlpi_tls_modid, bytes};
        return int(contains);
      },
      &search);
  return search.found;
}

// ------------------------------------------------------------------ fibers

constexpr unsigned WARP = 32;
constexpr size_t STACK_BYTES = 256 << 10;

struct Fiber {
  enum State { running, at_block_barrier, at_warp_barrier, ended };

  State state;
  unsigned number;
  unsigned lanes;  // whom it waits for at a warp barrier
  uint64_t bits;   // what it gives to the other lanes
  uint3 thread;
  char *stack;
  void *stack_pointer;
};

static std::vector<Fiber> fibers;
static unsigned fiber_count;
static Fiber *current;
static void *scheduler_stack_pointer;
static const Kernel *running_kernel;
static const void *running_arguments;

// Save the registers that a function must keep, and go on with another stack.
extern "C" void hostcupy_switch(void **save, void *load);
asm(R"(
.text
.type hostcupy_switch, @function
hostcupy_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
constexpr int SAVED_REGISTERS = 6;

static void leave_fiber(Fiber::State state) {
  current->state = state;
  hostcupy_switch(&current->stack_pointer, scheduler_stack_pointer);
}

static void fiber_main() {
  running_kernel->run_thread(running_arguments);
  current->bits = ~uint64_t(0);  // who still asks this lane for a value gets NaN
  leave_fiber(Fiber::ended);
}

static void enter_fiber(Fiber &fiber) {
  current = &fiber;
  threadIdx = fiber.thread;
  hostcupy_switch(&scheduler_stack_pointer, fiber.stack_pointer);
}

static void prepare_fiber(Fiber &fiber) {
  // A function starts with a stack pointer eight below a multiple of sixteen: the
  // compiler places variables that must be aligned by it.
  void **top = reinterpret_cast<void **>(fiber.stack + STACK_BYTES);
  *--top = nullptr;
  *--top = reinterpret_cast<void *>(fiber_main);
  for (int i = 0; i < SAVED_REGISTERS; i++) *--top = nullptr;
  fiber.stack_pointer = top;
  fiber.state = Fiber::running;
}

static void prepare_fibers(unsigned count) {
  fiber_count = count;
  while (fibers.size() < count) {
    void *stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mprotect(stack, PAGE, PROT_NONE);
    Fiber fiber{};
    fiber.stack = static_cast<char *>(stack);
    fibers.push_back(fiber);
  }
  for (unsigned i = 0; i < count; i++) {
    fibers[i].number = i;
    fibers[i].thread = position_in(blockDim, i);
    prepare_fiber(fibers[i]);
  }
}

void wait_for_block() { leave_fiber(Fiber::at_block_barrier); }

void wait_for_warp(unsigned lanes) {
  current->lanes = lanes;
  leave_fiber(Fiber::at_warp_barrier);
}

unsigned lane() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % WARP;
}

uint64_t exchange(unsigned lanes, uint64_t bits, unsigned from) {
  unsigned source = current->number / WARP * WARP + from;
  current->bits = bits;
  wait_for_warp(lanes);
  uint64_t received = source < fiber_count ? fibers[source].bits : ~uint64_t(0);
  wait_for_warp(lanes);
  return received;
}

unsigned ballot(unsigned lanes, bool predicate) {
  unsigned first = current->number / WARP * WARP, votes = 0;
  current->bits = predicate;
  wait_for_warp(lanes);
  for (unsigned i = 0; i < WARP && first + i < fiber_count; i++)
    if (lanes >> i & 1 && fibers[first + i].state != Fiber::ended)
      votes |= unsigned(fibers[first + i].bits & 1) << i;
  wait_for_warp(lanes);
  return votes;
}

static bool release_warps() {
  bool released = false;
  for (unsigned first = 0; first < fiber_count; first += WARP) {
    unsigned count = std::min(WARP, fiber_count - first), live = 0, waiting = 0, go = 0;
    for (unsigned i = 0; i < count; i++) {
      live |= unsigned(fibers[first + i].state != Fiber::ended) << i;
      waiting |= unsigned(fibers[first + i].state == Fiber::at_warp_barrier) << i;
    }
    for (unsigned i = 0; i < count; i++) {
      unsigned needed = fibers[first + i].lanes & live;
      if (waiting >> i & 1 && !(needed & ~waiting)) go |= needed;
    }
    for (unsigned i = 0; i < count; i++)
      if (go >> i & 1) fibers[first + i].state = Fiber::running;
    released |= go != 0;
  }
  return released;
}

// Run all threads of the current block; return what is wrong with the kernel, or "".
static std::string run_fibers(bool forgive_ended) {
  for (;;) {
    make_order(fiber_count).each([](unsigned number) {
      if (fibers[number].state == Fiber::running) enter_fiber(fibers[number]);
    });
    if (release_warps()) continue;
    unsigned ended = 0, waiting = 0;
    for (unsigned i = 0; i < fiber_count; i++) {
      ended += fibers[i].state == Fiber::ended;
      waiting += fibers[i].state == Fiber::at_block_barrier;
    }
    if (ended == fiber_count) return "";
    if (waiting + (forgive_ended ? ended : 0) != fiber_count)
      return "divergent barrier: " + std::to_string(waiting) + " of " +
             std::to_string(fiber_count) + " threads of a block wait at __syncthreads, " +
             std::to_string(ended) + " have ended; all threads must reach it";
    for (unsigned i = 0; i < fiber_count; i++)
      if (fibers[i].state != Fiber::ended) fibers[i].state = Fiber::running;
  }
}

// ------------------------------------------------------------------ a launch

struct Launch {
  const Kernel *kernel;
  StaticShared static_shared;
  dim3 grid, block;
  unsigned dynamic_bytes;
  bool forgive_ended;  // threads that end before a barrier, which GPUs do not wait for
};

// Run all blocks; return what is wrong with the kernel, or "".
static std::string run_blocks(const Launch &launch, const void *arguments) {
  gridDim = launch.grid;
  blockDim = launch.block;
  running_kernel = launch.kernel;
  running_arguments = arguments;
  bool with_fibers = launch.kernel->has_barriers();
  unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  place_dynamic_shared(launch.dynamic_bytes);
  std::string fault;
  make_order(uint64_t(gridDim.x) * gridDim.y * gridDim.z).each([&](unsigned number) {
    if (!fault.empty()) return;
    blockIdx = position_in(gridDim, number);
    launch.static_shared.fill(UNINITIALISED);
    std::memset(dynamic_shared, UNINITIALISED, launch.dynamic_bytes);
    if (with_fibers) {
      prepare_fibers(threads);
      fault = run_fibers(launch.forgive_ended);
    } else {
      launch.kernel->run_block(arguments, make_order(threads));
    }
  });
  return fault;
}

}  // namespace hostcupy
