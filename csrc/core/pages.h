#pragma once

#include <cstddef>

namespace qs {

// Asks for huge pages for memory that will be written for the first time: a large result otherwise costs the
// processor one page fault per 4 KiB, which takes longer than to write it. A request; where the system has no such
// pages nothing happens.
void prefer_huge_pages(void* data, std::size_t bytes);

}  // namespace qs
