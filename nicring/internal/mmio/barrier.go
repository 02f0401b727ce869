package mmio

// ReadBarrier orders every earlier load from memory that a device writes before
// every later one. Call it between seeing that a descriptor is done and reading
// what that says is there. It pairs with the device, which writes in that order
// reversed.
func ReadBarrier() { readBarrier() }

// WriteBarrier orders every earlier store to memory that a device reads before
// every later store, to such memory or to a register. Call it between filling
// descriptors and ringing the doorbell. It pairs with the device, which reads
// the descriptors after it was told of them.
func WriteBarrier() { writeBarrier() }
