// SPDX-License-Identifier: MIT
// What user space can write is loaded once in a function, into a variable.

@user@
expression from;
identifier fetch = { copy_from_user, copy_struct_from_user, get_user, __get_user, copy_in };
@@
* fetch(..., from, ...)
  ... when any
* fetch(..., from, ...)

@shared@
expression side;
@@
* READ_ONCE(*side->position)
  ... when any
* READ_ONCE(*side->position)

@once@
expression side;
position p;
@@
(
  READ_ONCE(*side->position@p)
|
  WRITE_ONCE(*side->position@p, ...)
)

@plain@
expression side;
position p != once.p;
@@
* *side->position@p
