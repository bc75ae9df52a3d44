// SPDX-License-Identifier: MIT
// A field of a structure may come from a caller, so it is no index before it is bounded.

@member@
expression array, s;
identifier f;
@@
(
* array[s.f]
|
* array[s->f]
)

@copied@
expression array, s;
identifier f, i;
@@
(
  i = s.f;
|
  i = s->f;
)
  ... when != i = array_index_nospec(...)
* array[i]
