package e1000e

import "github.com/ferrule-go/ferrule/nicring"

// startPause sets flow control up. The card asks for a pause when half of its
// packet buffer is in use, or sooner if there would be no room for two more of the
// longest frames: one that the other end has begun, and one of ours that the
// request has to wait for. It takes the request back at half of that.
func (p *Port) startPause() {
	w, pause := p.card.Write32, p.cfg.Pause
	if pause == 0 {
		return // as after a reset
	}
	w(regFCAL, pauseTo>>40&0xFF|pauseTo>>32&0xFF<<8|pauseTo>>24&0xFF<<16|pauseTo>>16&0xFF<<24)
	w(regFCAH, pauseTo>>8&0xFF|pauseTo&0xFF<<8)
	w(regFCT, pauseType)
	w(regFCTTV, 0xFFFF)
	bits := uint32(0)
	if pause&nicring.PauseObey != 0 {
		bits |= ctrlRFCE
	}
	if pause&nicring.PauseSend != 0 {
		room := p.cfg.receiveBuffer() << 10
		high := min(room/2, room-2*uint32(p.cfg.MaxFrame+crc)) &^ 7
		w(regFCRTH, high)
		w(regFCRTL, high/2&^7|fcrtlXONE)
		bits |= ctrlTFCE
	}
	p.set(regCTRL, bits)
}
