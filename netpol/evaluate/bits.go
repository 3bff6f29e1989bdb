package evaluate

// bits is a set of small numbers.
type bits []uint64

const wordBits = 64

func newBits(size int) bits { return make(bits, (size+wordBits-1)/wordBits) }

func (b bits) set(i int) { b[i/wordBits] |= 1 << (i % wordBits) }

func (b bits) has(i int) bool { return b[i/wordBits]&(1<<(i%wordBits)) != 0 }
