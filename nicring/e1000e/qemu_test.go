//go:build qtest && linux

package e1000e_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/internal/qtest"
)

// TestQEMUCard runs the suite on a card that we did not write.
func TestQEMUCard(t *testing.T) {
	conform(t, func(t *testing.T) *rig {
		m, err := qtest.Start(t.Context(), qtest.Config{Cards: 1})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		card := m.Card(0)
		return &rig{
			card:   card,
			region: m.Memory(),
			mac:    card.MAC(),
			deliver: func(frames ...[]byte) {
				for _, f := range frames {
					card.Send(f)
				}
			},
			next: func() []byte {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				f, err := card.Recv(ctx)
				if err != nil {
					return nil
				}
				return f
			},
			setLink:     func(up bool) { require.NoError(t, card.SetLink(up)) },
			padsRunts:   true,
			txBytesBare: true,
			padsNothing: true,
			fragments:   true,
			floorsGap:   true,
		}
	})
}
