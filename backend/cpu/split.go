package cpu

// blockSize is about how many elements of each tensor an element-wise job takes: few enough to stay
// in L2 and to divide small layers among workers, many enough that taking a job costs nothing.
const blockSize = 1 << 15

// blocks returns into how many blocks of at most size a range of n is divided.
func blocks(n, size int) int { return (n + size - 1) / size }

// blockRange returns where block i of a range of n begins and ends.
func blockRange(n, size, i int) (from, to int) { return i * size, min(n, (i+1)*size) }

// rowsPerBlock returns how many rows of c channels a job takes: few enough that a block's
// sums in float32 are as accurate as the elements themselves.
func rowsPerBlock(c int) int { return min(max(blockSize/c, 16), 128) }
