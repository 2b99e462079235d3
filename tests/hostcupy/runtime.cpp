// The entry points of CUDA that CuPy calls, on the CPU.
//
// Functions named runtime_* and driver_* take the places of those of the same name in
// cupy_backends.cuda.api.runtime and .driver, with their signatures: capsules.py puts
// them there. The trailing int that all of them have is Cython's. A function that fails
// sets a Python exception and returns zero.
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <xmmintrin.h>

#include <cstdlib>

#include "blocks.h"
#include "memory.h"
#include "streams.h"

// Declared here because Python.h is not part of every installation of Python.
extern "C" {
struct PyObject;
extern PyObject *PyExc_RuntimeError;
void PyErr_SetString(PyObject *, const char *);
void PyErr_SetObject(PyObject *, PyObject *);
PyObject *Py_BuildValue(const char *, ...);
PyObject *PyObject_CallFunction(PyObject *, const char *, ...);
PyObject *PyDict_Copy(PyObject *);
PyObject *PyList_New(ssize_t);
int PyList_Append(PyObject *, PyObject *);
const char *PyUnicode_AsUTF8(PyObject *);
int PyBytes_AsStringAndSize(PyObject *, char **, ssize_t *);
void Py_IncRef(PyObject *);
void Py_DecRef(PyObject *);
int Py_IsInitialized();
}

using namespace hostcupy;

namespace {

Memory memory;
PinnedMemory pinned;
Streams streams;

// Python objects that capsules.py hands over.
PyObject *runtime_error, *device_properties, *pointer_attributes;

// What counts() of the Python side returns, in the same order.
struct Counts {
  uint64_t launches, threads, graphs, mallocs, h2d, d2h, d2d, h2d_bytes, d2h_bytes,
      synchronisations, memory_nodes, used, peak;
} counts;

PyObject *none() { return Py_BuildValue(""); }

PyObject *cuda_error(int status) {
  if (PyObject *error = PyObject_CallFunction(runtime_error, "i", status)) {
    PyErr_SetObject(runtime_error, error);
    Py_DecRef(error);
  }
  return nullptr;
}

PyObject *error(const std::string &message) {
  PyErr_SetString(PyExc_RuntimeError, message.c_str());
  return nullptr;
}

PyObject *answer(int status) { return status ? cuda_error(status) : none(); }

// Functions that shall fail, by name, and with which status.
std::map<std::string, int> failing;

// Whether a function shall fail; the error is set then.
bool fails(const char *name) {
  auto found = failing.find(name);
  if (found == failing.end()) return false;
  cuda_error(found->second);
  return true;
}
bool idle;  // kernels are counted and not run, to see what the host needs

// A kernel's fault shows at its launch or, where it ran later, when that is awaited.
std::string pending_fault;

PyObject *answer_or_fault(int status) {
  if (status) return cuda_error(status);
  if (pending_fault.empty()) return none();
  std::string fault;
  fault.swap(pending_fault);
  return error(fault);
}

// ------------------------------------------------------------------ kernels

struct Function {
  std::string module, name;
  const Kernel *kernel;
  StaticShared static_shared;
  bool only_kernel;
  size_t most_dynamic;
  uint64_t launches;
};

constexpr size_t USUAL_SHARED = 48 << 10;

std::map<std::pair<void *, std::string>, Function> functions;
std::map<void *, std::string> modules;

sigjmp_buf fault_return;
volatile Address fault_address;

void on_fault(int, siginfo_t *info, void *) {
  fault_address = reinterpret_cast<Address>(info->si_addr);
  siglongjmp(fault_return, 1);
}

// Turns an access without permission, until it goes out of scope, into a jump.
class FaultHandler {
 public:
  FaultHandler() {
    static char stack[64 << 10];  // the fault may be that a fiber's stack is full
    stack_t alternative{};
    alternative.ss_sp = stack;
    alternative.ss_size = sizeof stack;
    sigaltstack(&alternative, &old_stack_);
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &old_segv_);
    sigaction(SIGBUS, &action, &old_bus_);
  }
  ~FaultHandler() {
    sigaction(SIGSEGV, &old_segv_, nullptr);
    sigaction(SIGBUS, &old_bus_, nullptr);
    sigaltstack(&old_stack_, nullptr);
  }

 private:
  struct sigaction old_segv_, old_bus_;
  stack_t old_stack_;
};

// CuPy compiles with -ftz=true: numbers too small for full precision count as zero.
class FlushToZero {
 public:
  FlushToZero() : old_(_mm_getcsr()) { _mm_setcsr(old_ | FLUSH_RESULTS | FLUSH_INPUTS); }
  ~FlushToZero() { _mm_setcsr(old_); }

 private:
  static constexpr unsigned FLUSH_RESULTS = 0x8000, FLUSH_INPUTS = 0x40;
  unsigned old_;
};

void run(const Launch &launch, const void *arguments, const std::string &name) {
  FaultHandler handler;
  FlushToZero flush;
  std::string fault;
  if (sigsetjmp(fault_return, 1) == 0)
    fault = run_blocks(launch, arguments);
  else
    fault = "CUDA_ERROR_ILLEGAL_ADDRESS: the address is " +
            memory.describe(fault_address);
  if (!fault.empty()) pending_fault = "kernel " + name + ": " + fault;
}

std::string wrong_launch(const Function &function, dim3 grid, dim3 block,
                         unsigned dynamic_bytes) {
  uint64_t threads = uint64_t(block.x) * block.y * block.z;
  auto text = [](dim3 size) {
    return "(" + std::to_string(size.x) + ", " + std::to_string(size.y) + ", " +
           std::to_string(size.z) + ")";
  };
  if (!threads || threads > 1024 || block.z > 64)
    return "got a block of " + text(block) +
           " threads, expected 1 to 1024 in all and at most 64 in z";
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffff || grid.y > 65535 ||
      grid.z > 65535)
    return "got a grid of " + text(grid) +
           " blocks, expected at least 1 each, at most 65535 in y and z";
  // The segment of a module with several kernels does not say which one uses what.
  size_t fixed = function.only_kernel ? function.static_shared.bytes : 0;
  size_t most = std::max(USUAL_SHARED, fixed + function.most_dynamic);
  if (fixed + dynamic_bytes > most)
    return "got " + std::to_string(fixed) + " bytes of static and " +
           std::to_string(dynamic_bytes) +
           " of dynamic shared memory, expected at most " + std::to_string(most) +
           " in all; raise max_dynamic_shared_size_bytes for more dynamic ones";
  return "";
}

// ------------------------------------------------------------------ copies

enum CopyKind { HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, ANY };

struct Copy {
  Address to, from;
  size_t bytes;

  bool to_device() const { return memory.contains(to, bytes); }
  bool from_device() const { return memory.contains(from, bytes); }

  bool agrees_with(int kind) const {
    if (!bytes || kind == ANY) return true;
    bool expects_to = kind == HOST_TO_DEVICE || kind == DEVICE_TO_DEVICE;
    bool expects_from = kind == DEVICE_TO_HOST || kind == DEVICE_TO_DEVICE;
    return to_device() == expects_to && from_device() == expects_from;
  }

  void count() const {
    bool to = to_device(), from = from_device();
    counts.d2d += to && from;
    counts.h2d += to && !from;
    counts.d2h += !to && from;
    if (to && !from) counts.h2d_bytes += bytes;
    if (!to && from) counts.d2h_bytes += bytes;
  }

  void run() const { run_from(reinterpret_cast<const void *>(from)); }

  void run_from(const void *source) const {
    count();
    std::memmove(reinterpret_cast<void *>(to), source, bytes);
  }
};

// It waits, which a capture forbids. (CUDA lets it pass beside a relaxed capture of a
// stream made as non-blocking; here it never does.)
PyObject *copy_now(Copy copy, int kind) {
  if (!copy.agrees_with(kind)) return cuda_error(INVALID_VALUE);
  if (streams.capturing()) return cuda_error(streams.broken(CAPTURE_IMPLICIT));
  streams.finish_blocking();
  streams.finish(DEFAULT_STREAM);
  counts.synchronisations++;
  copy.run();
  return answer_or_fault(SUCCESS);
}

// As CUDA does it: a copy from host memory that is not pinned has read it when the call
// returns, one to such memory is complete then. A pinned buffer is used in place.
PyObject *copy_later(Copy copy, int kind, Address stream) {
  if (!copy.agrees_with(kind)) return cuda_error(INVALID_VALUE);
  bool from_pageable = !copy.from_device() && !pinned.contains(copy.from, copy.bytes);
  bool to_pageable = !copy.to_device() && !pinned.contains(copy.to, copy.bytes);
  if (streams.capturing(stream) && copy.bytes && (from_pageable || to_pageable))
    return cuda_error(streams.broken(CAPTURE_UNSUPPORTED));
  if (to_pageable) {
    if (int status = streams.synchronise(stream)) return cuda_error(status);
    copy.run();
    return answer_or_fault(SUCCESS);
  }
  if (streams.lazy && from_pageable) {
    std::string staged(reinterpret_cast<char *>(copy.from), copy.bytes);
    return answer(streams.submit(stream, [=] { copy.run_from(staged.data()); }));
  }
  return answer(streams.submit(stream, [=] { copy.run(); }));
}

PyObject *fill(Address address, int value, size_t bytes, Address stream) {
  if (bytes && !memory.contains(address, bytes)) return cuda_error(INVALID_VALUE);
  return answer(streams.submit(stream, [=] {
    std::memset(reinterpret_cast<void *>(address), value, bytes);
  }));
}

Address allocate(size_t bytes) {
  if (Status status = streams.unsafe()) {
    cuda_error(status);
    return 0;
  }
  Address address = memory.allocate(bytes);
  if (address)
    counts.mallocs++;
  else
    cuda_error(OUT_OF_MEMORY);
  return address;
}

// Keeps a Python object alive as long as an operation that calls it.
struct Callable {
  PyObject *object;
  explicit Callable(PyObject *object) : object(object) { Py_IncRef(object); }
  ~Callable() {
    if (Py_IsInitialized()) Py_DecRef(object);  // a graph may outlive Python
  }
};

}  // namespace

extern "C" {

// ------------------------------------------------------------------ for Python

void hostcupy_set_up(PyObject *error, PyObject *properties, PyObject *attributes) {
  runtime_error = error;
  device_properties = properties;
  pointer_attributes = attributes;
  for (PyObject *kept : {error, properties, attributes}) Py_IncRef(kept);
}

void hostcupy_idle(int idle_) { idle = idle_; }

void hostcupy_configure(int lazy, int tight, size_t limit) {
  streams.abandon_capture();
  streams.finish_all();
  failing.clear();
  pending_fault.clear();
  streams.lazy = lazy;
  memory.tight = tight;
  memory.limit = limit;
}

void hostcupy_thread_order(int order) {
  thread_order = static_cast<ThreadOrder>(order);
}

// Let a function answer with this status from now on.
void hostcupy_fail(const char *name, int status) { failing[name] = status; }

void hostcupy_counts(Counts *result) {
  counts.used = memory.used;
  counts.peak = memory.peak;
  *result = counts;
}

// A list of (file of the module, name of the kernel, launches so far).
PyObject *hostcupy_launches() {
  PyObject *list = PyList_New(0);
  for (const auto &entry : functions) {
    const Function &function = entry.second;
    PyObject *row =
        Py_BuildValue("(ssK)", function.module.c_str(), function.name.c_str(),
                      static_cast<unsigned long long>(function.launches));
    PyList_Append(list, row);
    Py_DecRef(row);
  }
  return list;
}

int hostcupy_on_device(Address address, size_t bytes) {
  return memory.contains(address, bytes);
}

// Note that a library did what a capture forbids; return whether there was a capture.
int hostcupy_break_capture() {
  bool capturing = streams.capturing();
  streams.broken(CAPTURE_UNSUPPORTED);
  return capturing;
}

// Note nodes that allocate or free memory, if the stream is captured.
void hostcupy_memory_nodes(Address stream, int nodes) {
  if (streams.capturing(stream)) counts.memory_nodes += nodes;
}

// Let a stream call a Python function, which returns what went wrong, or "".
PyObject *hostcupy_submit(Address stream, PyObject *function) {
  auto callable = std::make_shared<Callable>(function);
  return answer_or_fault(streams.submit(stream, [callable] {
    PyObject *result = PyObject_CallFunction(callable->object, nullptr);
    const char *fault = PyUnicode_AsUTF8(result);
    if (fault && *fault) pending_fault = fault;
    Py_DecRef(result);
  }));
}

// ------------------------------------------------------------------ the device

int runtime_getDevice(int) { return 0; }
int runtime_getDeviceCount(int) { return 1; }
int runtime_driverGetVersion(int) { return 12090; }
int runtime_runtimeGetVersion(int) { return 12090; }
int runtime__getCUDAMajorVersion(int) { return 12; }
int runtime_deviceCanAccessPeer(int, int, int) { return 0; }
PyObject *runtime__ensure_context() { return none(); }
PyObject *runtime_check_status(int status, int) { return answer(status); }
PyObject *runtime_profilerStart(int) { return none(); }
PyObject *runtime_profilerStop(int) { return none(); }

PyObject *runtime_setDevice(int device, int) {
  return answer(device ? INVALID_DEVICE : SUCCESS);
}

PyObject *runtime_getDeviceProperties(int device, int) {
  return device ? cuda_error(INVALID_DEVICE) : PyDict_Copy(device_properties);
}

int runtime_deviceGetAttribute(int attribute, int, int) {
  switch (attribute) {
    case 1: return 1024;         // threads of a block
    case 2: return 1024;         // ... in x
    case 3: return 1024;         // ... in y
    case 4: return 64;           // ... in z
    case 5: return 0x7fffffff;   // blocks of a grid in x
    case 6: return 65535;        // ... in y
    case 7: return 65535;        // ... in z
    case 8: return USUAL_SHARED;
    case 10: return WARP;
    case 12: return 65536;       // registers of a block
    case 16: return 4;           // multiprocessors
    case 39: return 2048;        // threads of a multiprocessor
    case 75: return 8;           // compute capability
    case 76: return 0;           // ... after the point
    case 97: return MOST_SHARED;
    default: return 0;
  }
}

PyObject *runtime_deviceSynchronize(int) {
  counts.synchronisations++;
  return answer_or_fault(streams.synchronise_all());
}

// ------------------------------------------------------------------ memory

Address runtime_malloc(size_t bytes, int) { return allocate(bytes); }

Address runtime_mallocAsync(size_t bytes, Address stream, int) {
  hostcupy_memory_nodes(stream, 1);
  return allocate(bytes);
}

Address runtime_mallocManaged(size_t bytes, int, void *) { return allocate(bytes); }

PyObject *runtime_free(Address address, int) {
  if (Status status = streams.unsafe()) return cuda_error(status);
  streams.finish_all();
  memory.release(address);
  return none();
}

PyObject *runtime_freeAsync(Address address, Address stream, int) {
  hostcupy_memory_nodes(stream, 1);
  return answer(streams.submit(stream, [=] { memory.release(address); }));
}

PyObject *runtime_memGetInfo(int) {
  return Py_BuildValue("(nn)", ssize_t(memory.limit - memory.used),
                       ssize_t(memory.limit));
}

Address runtime_hostAlloc(size_t bytes, unsigned, int) {
  if (fails("hostAlloc")) return 0;
  if (Status status = streams.unsafe()) {
    cuda_error(status);
    return 0;
  }
  Address address = pinned.allocate(bytes);
  if (!address) cuda_error(OUT_OF_MEMORY);
  return address;
}

PyObject *runtime_freeHost(Address address, int) {
  if (Status status = streams.unsafe()) return cuda_error(status);
  streams.finish_all();
  pinned.release(address);
  return none();
}

PyObject *runtime_pointerGetAttributes(Address pointer, int) {
  constexpr int UNREGISTERED = 0, DEVICE = 2;
  bool device = memory.contains(pointer, 0);
  return PyObject_CallFunction(pointer_attributes, "innI", 0, device ? pointer : 0,
                               device ? 0 : pointer, device ? DEVICE : UNREGISTERED);
}

int runtime_pointerGetMemoryType(Address pointer, int) {
  constexpr int UNREGISTERED = 0, HOST = 1, DEVICE = 2;
  if (memory.contains(pointer, 0)) return DEVICE;
  return pinned.contains(pointer, 0) ? HOST : UNREGISTERED;
}

PyObject *runtime_memcpy(Address to, Address from, size_t bytes, int kind, int) {
  return copy_now({to, from, bytes}, kind);
}

PyObject *runtime_memcpyAsync(Address to, Address from, size_t bytes, int kind,
                              Address stream, int) {
  return copy_later({to, from, bytes}, kind, stream);
}

PyObject *runtime_memset(Address address, int value, size_t bytes, int) {
  return fill(address, value, bytes, DEFAULT_STREAM);
}

PyObject *runtime_memsetAsync(Address address, int value, size_t bytes, Address stream,
                              int) {
  if (idle) return none();
  return fill(address, value, bytes, stream);
}

// ------------------------------------------------------------------ streams and events

Address runtime_streamCreate(int) { return streams.create(true); }

Address runtime_streamCreateWithFlags(unsigned flags, int) {
  constexpr unsigned NON_BLOCKING = 1;
  return streams.create(!(flags & NON_BLOCKING));
}

Address runtime_streamCreateWithPriority(unsigned flags, int, int) {
  return runtime_streamCreateWithFlags(flags, 0);
}

PyObject *runtime_streamDestroy(Address stream, int) {
  streams.destroy(stream);
  return none();
}

PyObject *runtime_streamSynchronize(Address stream, int) {
  counts.synchronisations++;
  return answer_or_fault(streams.synchronise(stream));
}

// Of a query; that something is not done yet is no error.
PyObject *asked(int status) {
  bool error = status != SUCCESS && status != NOT_READY;
  return error ? cuda_error(status) : Py_BuildValue("i", status);
}

PyObject *runtime_streamQuery(Address stream, int) {
  return asked(streams.query(stream));
}

PyObject *runtime_streamWaitEvent(Address stream, Address event, int, void *) {
  return answer(streams.wait_event(stream, event));
}

unsigned runtime_streamGetFlags(Address stream, int) {
  return streams.blocking(stream) ? 0 : 1;
}

int runtime_streamGetPriority(Address, int) { return 0; }
int runtime_streamIsCapturing(Address stream, int) { return streams.capturing(stream); }

Address runtime_eventCreate(int) { return streams.create_event(); }
Address runtime_eventCreateWithFlags(unsigned, int) { return streams.create_event(); }

PyObject *runtime_eventDestroy(Address event, int) {
  streams.destroy_event(event);
  return none();
}

PyObject *runtime_eventRecord(Address event, Address stream, int) {
  return answer(streams.record(event, stream));
}

PyObject *runtime_eventQuery(Address event, int) {
  return asked(streams.query_event(event));
}

PyObject *runtime_eventSynchronize(Address event, int) {
  counts.synchronisations++;
  return answer_or_fault(streams.synchronise_event(event));
}

float runtime_eventElapsedTime(Address start, Address end, int) {
  return streams.milliseconds_between(start, end);
}

// ------------------------------------------------------------------ graphs

PyObject *runtime_streamBeginCapture(Address stream, int given, void *optional) {
  // Cython: how many arguments with a default follow, and the first of them.
  struct Optional {
    int given, mode;
  };
  auto *options = static_cast<Optional *>(optional);
  int mode = options && options->given ? options->mode : CAPTURE_RELAXED;
  return answer(streams.begin_capture(stream, mode));
}

Address runtime_streamEndCapture(Address, int) {
  Address graph = 0;
  if (int status = streams.end_capture(&graph)) cuda_error(status);
  return graph;
}

Address runtime_graphInstantiate(Address graph, int) {
  if (fails("graphInstantiate")) return 0;
  return streams.instantiate(graph);
}

PyObject *runtime_graphUpload(Address, Address, int) { return none(); }

PyObject *runtime_graphLaunch(Address graph, Address stream, int) {
  if (fails("graphLaunch")) return nullptr;
  counts.graphs++;
  return answer_or_fault(streams.launch_graph(graph, stream));
}

PyObject *runtime_graphDestroy(Address graph, int) {
  streams.destroy_graph(graph);
  return none();
}

PyObject *runtime_graphExecDestroy(Address graph, int) {
  return runtime_graphDestroy(graph, 0);
}

// ------------------------------------------------------------------ modules

int driver_ctxGetDevice(int) { return 0; }
Address driver_ctxGetCurrent(int) { return 1; }
PyObject *driver_ctxSetCurrent(Address, int) { return none(); }

// A module is the name of a shared library, which kernels.py made.
Address driver_moduleLoadData(PyObject *data, int) {
  char *text;
  ssize_t length;
  if (PyBytes_AsStringAndSize(data, &text, &length)) return 0;
  std::string file(text, length);
  void *module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module) {
    error("CUDA_ERROR_INVALID_IMAGE: " + std::string(dlerror()));
    return 0;
  }
  modules[module] = file;
  return reinterpret_cast<Address>(module);
}

// Nothing to do: launches that wait in a lazy stream still need the code.
PyObject *driver_moduleUnload(Address, int) { return none(); }

Address driver_moduleGetFunction(Address module, PyObject *name_object, int) {
  void *library = reinterpret_cast<void *>(module);
  std::string name = PyUnicode_AsUTF8(name_object);
  auto known = functions.find({library, name});
  if (known != functions.end()) return reinterpret_cast<Address>(&known->second);
  auto kernel = static_cast<const Kernel *const *>(
      dlsym(library, ("hostcupy_kernel_" + name).c_str()));
  if (!kernel) {
    error("CUDA_ERROR_NOT_FOUND: the module has no kernel " + name);
    return 0;
  }
  auto kernels = static_cast<const int *>(dlsym(library, "hostcupy_kernels"));
  Function function{modules[library], name, *kernel, find_static_shared(kernel),
                    *kernels == 1,    0,    0};
  auto added = functions.emplace(std::make_pair(library, name), function).first;
  return reinterpret_cast<Address>(&added->second);
}

int driver_funcGetAttribute(int attribute, Address function, int) {
  constexpr int STATIC_SHARED = 1, MOST_DYNAMIC_SHARED = 8, MOST_THREADS = 0;
  auto &asked = *reinterpret_cast<Function *>(function);
  switch (attribute) {
    case MOST_THREADS: return 1024;
    case STATIC_SHARED: return asked.static_shared.bytes;
    case MOST_DYNAMIC_SHARED: return std::max(USUAL_SHARED, asked.most_dynamic);
    default: return 0;
  }
}

PyObject *driver_funcSetAttribute(Address function, int attribute, int value, int) {
  constexpr int MOST_DYNAMIC_SHARED = 8;
  if (attribute == MOST_DYNAMIC_SHARED) {
    if (value < 0 || size_t(value) > MOST_SHARED)
      return error("CUDA_ERROR_INVALID_VALUE: got max_dynamic_shared_size_bytes " +
                   std::to_string(value) + ", expected at most " +
                   std::to_string(MOST_SHARED));
    reinterpret_cast<Function *>(function)->most_dynamic = value;
  }
  return none();
}

int driver_occupancyMaxActiveBlocksPerMultiprocessor(Address, int, size_t, int) {
  return 2;
}

PyObject *driver_occupancyMaxPotentialBlockSize(Address, size_t, int, int) {
  return Py_BuildValue("(ii)", 16, 256);
}

PyObject *driver_launchKernel(Address handle, unsigned grid_x, unsigned grid_y,
                              unsigned grid_z, unsigned block_x, unsigned block_y,
                              unsigned block_z, unsigned dynamic_bytes, Address stream,
                              Address arguments, Address, int) {
  if (idle) {
    counts.launches++;
    return none();
  }
  auto &function = *reinterpret_cast<Function *>(handle);
  dim3 grid(grid_x, grid_y, grid_z), block(block_x, block_y, block_z);
  std::string wrong = wrong_launch(function, grid, block, dynamic_bytes);
  if (!wrong.empty())
    return error("CUDA_ERROR_INVALID_VALUE: kernel " + function.name + ": " + wrong);
  std::shared_ptr<void> copied(
      function.kernel->copy_arguments(reinterpret_cast<void **>(arguments)),
      function.kernel->free_arguments);
  // CUDA forbids what the scans of CuPy do here; the product's kernels shall not.
  bool forgive_ended = function.name.rfind("cupy_", 0) == 0;
  Launch launch{function.kernel, function.static_shared, grid, block, dynamic_bytes,
                forgive_ended};
  uint64_t threads = uint64_t(grid.x) * grid.y * grid.z * block.x * block.y * block.z;
  return answer_or_fault(streams.submit(stream, [=, &function] {
    counts.launches++;
    counts.threads += threads;
    function.launches++;
    run(launch, copied.get(), function.name);
  }));
}

}  // extern "C"
