// What a call binds to a program, held to what the program declares.
#pragma once
#include "backend.h"

namespace zeroth {

// Throws CommandError where a call has too few or too many bindings, an input that is too short, or an output that is
// bound as what it is not or does not fit.
void checkBindings(const Call& call);

}  // namespace zeroth
