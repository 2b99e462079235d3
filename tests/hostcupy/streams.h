// Streams, events and graphs: when the work handed to the device is done.
//
// Eager streams do everything at once. Lazy ones do nothing until something waits for
// them, so that a missing wait gives wrong values instead of working by chance.
#pragma once
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "memory.h"

namespace hostcupy {

using Operation = std::function<void()>;
using Operations = std::vector<Operation>;

// Statuses of CUDA's runtime.
enum Status {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  INVALID_DEVICE = 101,
  INVALID_HANDLE = 400,
  NOT_READY = 600,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
  CAPTURE_ISOLATION = 905,
  CAPTURE_IMPLICIT = 906,
  CAPTURED_EVENT = 907,
};

// How much a capture forbids. Relaxed, which is CuPy's default, allows what allocates
// or asks without waiting; the others do not.
enum CaptureMode { CAPTURE_GLOBAL = 0, CAPTURE_THREAD_LOCAL = 1, CAPTURE_RELAXED = 2 };

constexpr Address DEFAULT_STREAM = 0;

class Streams {
 public:
  bool lazy = false;

  Address create(bool blocking) {
    streams_[next_handle_].blocking = blocking;
    return next_handle_++;
  }

  void destroy(Address stream) {
    finish(stream);
    streams_.erase(stream);
  }

  bool blocking(Address stream) { return streams_[same(stream)].blocking; }
  Status query(Address stream) {
    if (capturing(stream)) return broken(CAPTURE_UNSUPPORTED);
    if (Status status = unsafe()) return status;
    return streams_[same(stream)].waiting.empty() ? SUCCESS : NOT_READY;
  }
  bool capturing() const { return capture_ != nullptr; }
  bool capturing(Address stream) const {
    return capture_ && capture_->streams.count(same(stream));
  }

  // What calls answer that a capture forbids unless it is relaxed.
  Status unsafe() {
    if (!capture_ || capture_->mode == CAPTURE_RELAXED) return SUCCESS;
    return broken(CAPTURE_UNSUPPORTED);
  }

  // Hand an operation to a stream: it is captured, done now or kept for later.
  Status submit(Address stream, Operation operation) {
    stream = same(stream);
    if (capturing(stream)) {
      if (capture_->broken) return CAPTURE_INVALIDATED;
      capture_->operations.push_back(std::move(operation));
      return SUCCESS;
    }
    if (capture_ && stream == DEFAULT_STREAM) return broken(CAPTURE_IMPLICIT);
    if (!lazy) {
      operation();
      return SUCCESS;
    }
    // The default stream and those not created as non-blocking wait for one another.
    if (stream == DEFAULT_STREAM)
      finish_blocking();
    else if (streams_[stream].blocking)
      finish(DEFAULT_STREAM);
    Stream &queue = streams_[stream];
    queue.waiting.push_back(std::move(operation));
    queue.submitted++;
    return SUCCESS;
  }

  Status synchronise(Address stream) {
    stream = same(stream);
    if (capturing(stream)) return broken(CAPTURE_UNSUPPORTED);
    if (stream == DEFAULT_STREAM) finish_blocking();
    finish(stream);
    return SUCCESS;
  }

  Status synchronise_all() {
    if (capture_) return broken(CAPTURE_UNSUPPORTED);
    finish_all();
    return SUCCESS;
  }

  void finish(Address stream) { finish_until(same(stream), UINT64_MAX); }

  void finish_blocking() {
    for (Address stream : handles())
      if (streams_[stream].blocking) finish(stream);
  }

  void finish_all() {
    for (Address stream : handles()) finish(stream);
  }

  // ---------------------------------------------------------------- events

  Address create_event() {
    events_[next_handle_] = std::make_shared<Event>();
    return next_handle_++;
  }

  void destroy_event(Address event) { events_.erase(event); }

  Status record(Address event, Address stream) {
    stream = same(stream);
    auto &slot = events_[event] = std::make_shared<Event>();
    slot->stream = stream;
    slot->recorded = true;
    slot->captured = capturing(stream);
    if (slot->captured) return SUCCESS;
    auto recorded = slot;
    Status status =
        submit(stream, [recorded] { recorded->time = std::chrono::steady_clock::now(); });
    slot->position = streams_[stream].submitted;
    return status;
  }

  Status wait_event(Address stream, Address event) {
    auto awaited = events_[event];
    if (!awaited || !awaited->recorded) return SUCCESS;
    if (capture_ && awaited->captured) {
      capture_->streams.insert(same(stream));
      return SUCCESS;
    }
    if (capturing(stream)) return broken(CAPTURE_ISOLATION);
    return submit(stream,
                  [=] { finish_until(awaited->stream, awaited->position); });
  }

  Status synchronise_event(Address event) {
    auto awaited = events_[event];
    if (!awaited || !awaited->recorded) return SUCCESS;
    if (awaited->captured) return broken(CAPTURED_EVENT);
    if (capture_) return broken(CAPTURE_UNSUPPORTED);
    finish_until(awaited->stream, awaited->position);
    return SUCCESS;
  }

  Status query_event(Address event) {
    auto asked = events_[event];
    if (asked && asked->captured) return broken(CAPTURED_EVENT);
    if (Status status = unsafe()) return status;
    bool done =
        !asked || !asked->recorded || streams_[asked->stream].done >= asked->position;
    return done ? SUCCESS : NOT_READY;
  }

  float milliseconds_between(Address start, Address end) {
    std::chrono::duration<float, std::milli> elapsed =
        events_[end]->time - events_[start]->time;
    return elapsed.count();
  }

  // ---------------------------------------------------------------- graphs

  Status begin_capture(Address stream, int mode) {
    if (capture_) return broken(CAPTURE_UNSUPPORTED);
    if (same(stream) == DEFAULT_STREAM) return CAPTURE_UNSUPPORTED;
    capture_ = std::make_unique<Capture>();
    capture_->streams.insert(same(stream));
    capture_->mode = static_cast<CaptureMode>(mode);
    return SUCCESS;
  }

  Status end_capture(Address *graph) {
    if (!capture_) return INVALID_VALUE;
    auto capture = std::move(capture_);
    if (capture->broken) return CAPTURE_INVALIDATED;
    *graph = next_handle_++;
    graphs_[*graph] = std::make_shared<Operations>(std::move(capture->operations));
    return SUCCESS;
  }

  // Forget a capture that a test did not end.
  void abandon_capture() { capture_.reset(); }

  Address instantiate(Address graph) {
    graphs_[next_handle_] = graphs_[graph];
    return next_handle_++;
  }

  Status launch_graph(Address graph, Address stream) {
    auto operations = graphs_[graph];
    if (!operations) return INVALID_VALUE;
    return submit(stream, [operations] {
      for (const auto &operation : *operations) operation();
    });
  }

  void destroy_graph(Address graph) { graphs_.erase(graph); }

  // Note that a capture has become invalid, and return the status that says why.
  Status broken(Status status) {
    if (capture_) capture_->broken = true;
    return status;
  }

 private:
  struct Stream {
    std::deque<Operation> waiting;
    uint64_t submitted = 0, done = 0;
    bool blocking = true;
  };
  struct Event {
    Address stream = 0;
    uint64_t position = 0;  // how much of the stream was submitted before
    bool recorded = false, captured = false;
    std::chrono::steady_clock::time_point time;
  };
  struct Capture {
    std::set<Address> streams;
    Operations operations;
    CaptureMode mode = CAPTURE_GLOBAL;
    bool broken = false;
  };

  std::map<Address, Stream> streams_;
  std::map<Address, std::shared_ptr<Event>> events_;
  std::map<Address, std::shared_ptr<Operations>> graphs_;
  std::unique_ptr<Capture> capture_;
  Address next_handle_ = 0x1000;  // far from 0, 1 and 2, which mean default streams

  static Address same(Address stream) {
    return stream == 1 || stream == 2 ? DEFAULT_STREAM : stream;
  }

  // By value: an operation may create a stream.
  std::vector<Address> handles() const {
    std::vector<Address> handles;
    for (const auto &entry : streams_) handles.push_back(entry.first);
    return handles;
  }

  void finish_until(Address handle, uint64_t position) {
    Stream &stream = streams_[handle];
    while (stream.done < position && !stream.waiting.empty()) {
      Operation operation = std::move(stream.waiting.front());
      stream.waiting.pop_front();
      stream.done++;
      operation();
    }
  }
};

}  // namespace hostcupy
