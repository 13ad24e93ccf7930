#pragma once

#include <cstddef>

namespace qs {

// Asks the system for huge pages for memory that is about to be written for the first time: a large result otherwise
// costs one page fault per 4 KiB, which takes longer than writing it. Only a request: without huge pages nothing
// happens.
void prefer_huge_pages(void* data, std::size_t bytes);

}  // namespace qs
