// SPDX-License-Identifier: MIT
// No address is printed, hashed or not.

@@
constant char[] text =~ "%p";
identifier print;
@@
* print(..., text, ...)
