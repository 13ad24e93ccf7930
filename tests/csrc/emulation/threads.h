#pragma once

namespace emulation {

// False in the control that shows that ThreadSanitizer would notice a missing barrier.
extern bool barriers_wait;

}  // namespace emulation
