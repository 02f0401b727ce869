package rcu

import "runtime"

// A loan is a reader that goes from one Read to another. Domain.loans keeps it
// for the next. When the collector empties that it takes the loan, and the reader
// is closed.
type loan struct{ reader *Reader }

// Read calls section within a section of d, for a goroutine that has no Reader: it
// borrows one, at the cost of some ten times a Lock and an Unlock. Nothing is left
// behind, whatever becomes of the goroutine; when section panics, too, the section
// ends. A Read within a Read borrows another.
func (d *Domain) Read(section func()) {
	l, ok := d.loans.Get().(*loan)
	if !ok {
		l = &loan{d.register(0)}
		runtime.AddCleanup(l, (*Reader).Close, l.reader)
	}
	if d.stalls.Load() != nil {
		l.reader.site.Store(caller())
	}
	l.reader.Lock()
	defer d.giveBack(l)
	section()
}

func (d *Domain) giveBack(l *loan) {
	l.reader.Unlock()
	d.loans.Put(l)
}

// caller returns the address that the exported function returns to which called
// it.
func caller() uintptr {
	var pc [1]uintptr
	runtime.Callers(3, pc[:])
	return pc[0]
}
