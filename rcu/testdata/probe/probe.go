// Package probe is compiled so that a test can read the code of a section.
package probe

import "github.com/ferrule-go/ferrule/rcu"

func Section(r *rcu.Reader, p *rcu.Pointer[[4]int]) (sum int) {
	r.Lock()
	for _, n := range p.Load() { // in the section
		sum += n // in the section
	}
	r.Unlock()
	return sum
}

func Turn(r *rcu.Reader, p *rcu.Pointer[[4]int]) (sum int) {
	for _, n := range p.Load() { // in the section
		sum += n // in the section
	}
	r.Quiesce()
	return sum
}
