// Words to structs. Counts and numbers are checked here as far as reading them needs it; program::validate checks what
// they mean.
#include "program/program.h"

#include <initializer_list>
#include <string>
#include <type_traits>

#include "program/words.h"

namespace zeroth {

using namespace format;

namespace {

using program::Words;

MapView readView(Words& reader, size_t rank) {
  MapView view;
  view.dtype = reader.dtype();
  view.ref = reader.ref();
  view.strides = reader.list("a stride", rank);
  return view;
}

void readBody(Words& reader, MapBody& body) {
  const uint32_t rank = reader.atMost("a rank", kMaxRank);
  body.dims = reader.list("a dimension", rank);
  const uint32_t reads = reader.atMost("a number of reads", kMaxMapReads);
  for (uint32_t i = 0; i < reads; ++i) body.reads.push_back(readView(reader, rank));
  const uint32_t ops = reader.atMost("a number of ops", kMaxMapOps);
  for (uint32_t i = 0; i < ops; ++i) {
    MapOp op;
    const uint32_t opcode = reader.word("a map opcode");
    op.opcode = static_cast<MapOpcode>(opcode);
    if (operandCount(op.opcode) < 0) reader.fail("expected a map opcode, found " + std::to_string(opcode));
    for (uint32_t& operand : op.operands) operand = reader.word("an operand");
    op.immediate = reader.f64("an immediate");
    body.ops.push_back(op);
  }
}

void readRow(Words& reader, Map& map) {
  readBody(reader, map);
  const uint32_t writes = reader.atMost("a number of writes", kMaxMapWrites);
  for (uint32_t i = 0; i < writes; ++i) {
    MapWrite write;
    write.dtype = reader.dtype();
    write.ref = reader.ref();
    write.source = reader.word("a register");
    write.strides = reader.list("a stride", map.dims.size());
    map.writes.push_back(std::move(write));
  }
}

void readRow(Words& reader, MapSum& sum) {
  readBody(reader, sum);
  sum.source = reader.word("a register");
  sum.dst = reader.ref();
}

// One word a field, two an operand.
struct FieldReader {
  Words& reader;

  void size(const char* name, uint64_t& value) { value = reader.word(name); }
  void stride(const char* name, uint64_t& value) { value = reader.word(name); }
  void flag(const char* name, bool& value) { value = reader.atMost(name, 1) != 0; }
  template <class Enum>
  void code(const char* name, Enum& value, Enum first, Enum last) {
    const uint32_t found = reader.word(name), low = static_cast<uint32_t>(first), high = static_cast<uint32_t>(last);
    if (found < low || found > high) {
      reader.fail(std::string("expected ") + name + " from " + std::to_string(low) + " to " + std::to_string(high) +
                  ", found " + std::to_string(found));
    }
    value = static_cast<Enum>(found);
  }
  void dtype(const char*, DType& value, std::initializer_list<DType>) { value = reader.dtype(); }
  void read(const char*, Ref& ref, DType, Elements) { ref = reader.ref(); }
  void write(const char*, Ref& ref, DType, Elements) { ref = reader.ref(); }
};

template <class Row>
void readRow(Words& reader, Row& row) {
  FieldReader visitor{reader};
  Row::fields(row, visitor);
}

// The loops around an instruction.
struct Scope {
  uint32_t spaces;  // that it may name
  uint32_t loops = 0;
};

template <size_t I = 0>
Instruction readInstruction(Words& reader, const Scope& scope, uint32_t opcode);

// The instruction at `place`, whose size has to end it exactly, and before `end`.
Instruction readFramed(Words& reader, const Scope& scope, const std::string& place, uint64_t end) {
  reader.enter(place, end);
  const uint64_t start = reader.position();
  const uint32_t opcode = reader.word("an opcode");
  const uint32_t size = reader.word("a size");
  if (size < 2 || size > end - start) {
    reader.fail("expected a size from 2 to " + std::to_string(end - start) + " words, found " + std::to_string(size));
  }
  reader.enter(place, start + size);
  Instruction instruction = readInstruction(reader, scope, opcode);
  if (reader.left() != 0) reader.fail("expected its end, found " + std::to_string(reader.left()) + " words more");
  return instruction;
}

// Lists grow as they are read: what the counts promise is not believed.
void readLoop(Words& reader, const Scope& scope, Loop& loop) {
  if (scope.loops == kMaxLoopDepth) reader.fail("expected loops at most " + std::to_string(kMaxLoopDepth) + " deep");
  loop.trips = reader.word("a number of trips");
  loop.reverse = reader.atMost("reverse", 1) != 0;
  loop.firstSpace = scope.spaces;
  const uint32_t windows = reader.word("a number of windows");
  for (uint32_t i = 0; i < windows; ++i) {
    Window window;
    window.ref = reader.ref();
    window.step = reader.word("a step");
    window.words = reader.word("a number of words");
    window.written = reader.atMost("written", 1) != 0;
    loop.windows.push_back(window);
  }
  const uint32_t instructions = reader.word("a number of instructions");
  const Scope inner{scope.spaces + windows, scope.loops + 1};
  const std::string place = reader.place();
  const uint64_t end = reader.position() + reader.left();
  for (uint32_t i = 0; i < instructions; ++i) {
    loop.body.push_back(readFramed(reader, inner, place + ", " + std::to_string(i) + " of its loop", end));
  }
  reader.enter(place, end);
}

template <size_t I>
Instruction readInstruction(Words& reader, const Scope& scope, uint32_t opcode) {
  if constexpr (I == std::variant_size_v<Instruction>) {
    reader.fail("expected the opcode of an instruction, found " + std::to_string(opcode));
  } else {
    using Row = std::variant_alternative_t<I, Instruction>;
    if (opcode != Row::kOpcode) return readInstruction<I + 1>(reader, scope, opcode);
    Row row;
    if constexpr (std::is_same_v<Row, Loop>) {
      readLoop(reader, scope, row);
    } else {
      readRow(reader, row);
    }
    return row;
  }
}

}  // namespace

uint64_t MapBody::elements() const {
  uint64_t product = 1;
  for (uint64_t dim : dims) product *= dim;
  return product;
}

Program decode(const uint8_t* bytes, size_t length) {
  const uint64_t words = length / 4;
  Words reader(bytes, words);
  if (length % 4 != 0) reader.fail("expected whole 32-bit words, found " + std::to_string(length) + " bytes");
  if (words < kHeaderWords) reader.fail("expected at least 8 words, found " + std::to_string(words));
  const uint32_t magic = reader.word("the magic number");
  if (magic != kMagic)
    reader.fail("expected the magic number " + std::to_string(kMagic) + ", found " + std::to_string(magic));
  const uint32_t version = reader.word("a version");
  if (version != kVersion) reader.fail("expected version 1, found " + std::to_string(version));
  const uint32_t total = reader.word("a size");
  if (total != words) {
    reader.fail("expected " + std::to_string(total) + " words as the header says, found " + std::to_string(words));
  }
  Program program;
  program.arenaWords = reader.word("a number of arena words");
  const uint32_t inputs = reader.word("a number of inputs");
  const uint32_t outputs = reader.word("a number of outputs");
  const uint32_t instructions = reader.word("a number of instructions");
  reader.atMost("a reserved word", 0);
  // 2 words an input, 4 an output, at least 2 an instruction: so that the counts cannot make this allocate more than
  // the bytes deserve.
  if (uint64_t{inputs} * 2 + uint64_t{outputs} * 4 + uint64_t{instructions} * 2 > reader.left()) {
    reader.fail("expected room for " + std::to_string(inputs) + " inputs, " + std::to_string(outputs) +
                " outputs and " + std::to_string(instructions) + " instructions, found " +
                std::to_string(reader.left()) + " words");
  }
  for (uint32_t i = 0; i < inputs; ++i) {
    reader.enter("input " + std::to_string(i), words);
    Declaration input;
    input.dtype = reader.dtype();
    input.count = reader.word("an element count");
    program.inputs.push_back(input);
  }
  for (uint32_t i = 0; i < outputs; ++i) {
    reader.enter("output " + std::to_string(i), words);
    Output output;
    output.dtype = reader.dtype();
    output.count = reader.word("an element count");
    output.ref = reader.ref();
    program.outputs.push_back(output);
  }
  program.instructions.reserve(instructions);
  const Scope scope{1 + inputs};
  for (uint32_t i = 0; i < instructions; ++i) {
    program.instructions.push_back(readFramed(reader, scope, "instruction " + std::to_string(i), words));
  }
  reader.enter("end", words);
  if (reader.left() != 0) reader.fail("expected the end, found " + std::to_string(reader.left()) + " words more");
  program::validate(program);
  return program;
}

}  // namespace zeroth
