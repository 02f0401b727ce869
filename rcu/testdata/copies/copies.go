// Package copies copies what must not be copied, for go vet to see.
package copies

import "github.com/ferrule-go/ferrule/rcu"

func byValue(d rcu.Domain, r rcu.Reader, p rcu.Pointer[int]) { d.Synchronize() }
