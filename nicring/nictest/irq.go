package nictest

import (
	"context"
	"fmt"

	"github.com/ferrule-go/ferrule/nicring"
)

// WaitInterrupt returns when the interrupt wire is up, which it is while ICR
// holds a cause that IMS enables; or with ctx.Err(); or with an error that wraps
// nicring.ErrRemoved. As with a UIO device, the wire interrupts once for each
// call: a driver that leaves ICR as it is gets the same interrupt again, and one
// that clears it between two calls gets none for what it cleared. A call that
// ended with ctx.Err() stays in force until the next.
//
// One goroutine at a time should wait: an interrupt wakes one.
func (c *Card) WaitInterrupt(ctx context.Context) error {
	c.mu.Lock()
	c.armed = true
	c.interrupt()
	c.mu.Unlock()
	select {
	case <-c.irq: // before ctx, should both be there
		return nil
	default:
	}
	select {
	case <-c.irq:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.removed:
	}
	return fmt.Errorf("nictest: wait for an interrupt of %s: %w", c, nicring.ErrRemoved)
}

// causes is ICR, with INT_ASSERTED as the wire is.
func (c *Card) causes() uint32 {
	if c.icr&c.ims != 0 {
		return c.icr | intRaised
	}
	return c.icr
}

// raise records causes of an interrupt.
func (c *Card) raise(causes uint32) {
	c.icr |= causes & intAll
	c.interrupt()
}

// acknowledge takes causes back, and masks those of IAM if so configured.
func (c *Card) acknowledge(causes uint32) {
	if c.icr&c.ims != 0 && c.has(regCTRLEXT, ctrlExtIAME) {
		c.ims &^= c.reg(regIAM)
	}
	c.icr &^= causes
}

// interrupt passes on the wire's state to whoever waits.
func (c *Card) interrupt() {
	if c.gone || !c.armed || c.icr&c.ims == 0 {
		return
	}
	c.armed = false
	if c.faults.LostInterrupts > 0 {
		c.faults.LostInterrupts--
		return
	}
	c.count(regIAC)
	select {
	case c.irq <- struct{}{}:
	default: // one is there that nobody has waited for
	}
}
