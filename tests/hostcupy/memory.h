// Device memory: host memory that faults where a GPU would, or worse would not.
#pragma once
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>

namespace hostcupy {

using Address = intptr_t;

// Allocations, by address. Every one ends at a page without access, is filled with NaN
// when it is made, and faults once it is released.
class Memory {
 public:
  size_t used = 0, peak = 0, limit = size_t(8) << 30;
  // End allocations at the page without access to within 16 bytes. CUDA aligns to 256
  // bytes and CuPy's pool relies on 512, so this wants arrays that bypass the pool.
  bool tight = false;

  // Return 0 when the limit is reached.
  Address allocate(size_t bytes) {
    if (bytes > limit - used) return 0;
    size_t body = rounded(bytes ? bytes : 1, tight ? 16 : 512);
    size_t pages = rounded(body, PAGE);
    void *mapped = mmap(nullptr, pages + PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return 0;
    char *start = static_cast<char *>(mapped), *first = start + pages - body;
    mprotect(start + pages, PAGE, PROT_NONE);
    // Larger ones stay zero: filling them would take the memory they only reserve.
    if (bytes <= FILLED) std::memset(first, UNINITIALISED, body);
    Address address = reinterpret_cast<Address>(first);
    blocks_[address] = {start, pages + PAGE, bytes, body};
    used += bytes;
    peak = used > peak ? used : peak;
    return address;
  }

  void release(Address address) {
    auto found = blocks_.find(address);
    if (found == blocks_.end()) return;
    used -= found->second.bytes;
    withdraw(found->second.mapped, found->second.mapped_bytes);
    blocks_.erase(found);
  }

  // Whether these bytes all lie in one allocation.
  bool contains(Address address, size_t bytes) const {
    auto found = blocks_.upper_bound(address);
    if (found == blocks_.begin()) return false;
    --found;
    return address + bytes <= found->first + found->second.body;
  }

  // Say where an address without access lies.
  std::string describe(Address address) const {
    auto found = blocks_.upper_bound(address);
    if (found != blocks_.begin()) {
      --found;
      Address beyond = address - (found->first + Address(found->second.bytes));
      if (beyond >= 0 && beyond < Address(NEAR))
        return std::to_string(beyond) + " bytes past the end of an allocation of " +
               std::to_string(found->second.bytes) + " bytes";
    }
    return "in no allocation of device memory";
  }

 private:
  static constexpr size_t FILLED = 64 << 20, NEAR = 1 << 20;

  struct Block {
    char *mapped;
    size_t mapped_bytes, bytes, body;
  };
  std::map<Address, Block> blocks_;
  std::deque<std::pair<void *, size_t>> withdrawn_;

  // Give the memory back but keep its addresses for a while: the next allocation would
  // get them, and whoever still uses the old one would find memory there.
  void withdraw(void *mapped, size_t bytes) {
    constexpr size_t KEPT = 4096;  // Linux allows a process 65530 mappings
    mmap(mapped, bytes, PROT_NONE,
         MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    withdrawn_.push_back({mapped, bytes});
    if (withdrawn_.size() <= KEPT) return;
    munmap(withdrawn_.front().first, withdrawn_.front().second);
    withdrawn_.pop_front();
  }

  static size_t rounded(size_t bytes, size_t unit) {
    return (bytes + unit - 1) / unit * unit;
  }
};

// Page-locked host memory, which asynchronous copies read and write where it is.
class PinnedMemory {
 public:
  Address allocate(size_t bytes) {
    void *block = nullptr;
    if (posix_memalign(&block, PAGE, bytes ? bytes : 1)) return 0;
    std::memset(block, UNINITIALISED, bytes);
    Address address = reinterpret_cast<Address>(block);
    blocks_[address] = bytes;
    return address;
  }

  void release(Address address) {
    if (blocks_.erase(address)) std::free(reinterpret_cast<void *>(address));
  }

  bool contains(Address address, size_t bytes) const {
    auto found = blocks_.upper_bound(address);
    if (found == blocks_.begin()) return false;
    --found;
    return address + bytes <= found->first + found->second;
  }

 private:
  std::map<Address, size_t> blocks_;
};

}  // namespace hostcupy
