// SPDX-License-Identifier: MIT
// A field of a structure, which a caller may have filled in, is no index as it is.

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
