package rcu

import "sync"

// A signal tells everybody who watches that something has changed. Who waits for
// a condition watches, then looks at the condition once more, and only then
// receives from the channel; who makes it true notifies afterwards.
type signal struct {
	mu sync.Mutex
	c  chan struct{} // nil while nobody watches
}

// watch returns a channel that the next notify closes.
func (s *signal) watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		s.c = make(chan struct{})
	}
	return s.c
}

func (s *signal) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}
