#include <stdexcept>
#include <string>

#include "core/field.h"

namespace qs {

void fail(const char* op, const char* argument, const Field& found, const char* expected) {
  std::string shape = std::to_string(found.batch) + ", " + std::to_string(found.channels);
  for (int c = 0; c < found.dims; ++c) {
    shape += ", " + std::to_string(found.shape[found.dims == 3 ? c : 2 * c]);
  }
  throw std::invalid_argument(std::string(op) + ": " + argument + ": expected " + expected + ", found shape (" + shape +
                              "); pass a matching tensor");
}

}  // namespace qs
