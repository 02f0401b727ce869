package e1000e

import "time"

// Registers in BAR0 by offset. Names are those of the Intel 82574 GbE Controller
// Family Datasheet, chapter 10. R/W: reads as written; RC: cleared by reading it;
// W: reads as nothing of use.
const (
	regCTRL    = 0x0000 // R/W device control
	regSTATUS  = 0x0008 // R   device status
	regEECD    = 0x0010 // R/W NVM control; AUTO_RD says that the card has read its NVM
	regEERD    = 0x0014 // R/W NVM read: address and START, then DONE and data
	regCTRLEXT = 0x0018 // R/W extended device control
	regFCAL    = 0x0028 // R/W pause frames: their destination, bytes 0 to 3
	regFCAH    = 0x002C // R/W and 4, 5
	regFCT     = 0x0030 // R/W and their type
	regICR     = 0x00C0 // RC  interrupt causes; writing a 1 takes one back
	regITR     = 0x00C4 // R/W least time between interrupts, in units of 256 ns
	regIMS     = 0x00D0 // R/W interrupt mask: a 1 enables the cause
	regIMC     = 0x00D8 // W   a 1 disables the cause
	regRCTL    = 0x0100 // R/W receive control
	regFCTTV   = 0x0170 // R/W pause frames: how long to ask for, in 512 bit times
	regTCTL    = 0x0400 // R/W transmit control
	regTIPG    = 0x0410 // R/W gaps between frames
	regPBA     = 0x1000 // R/W packet buffer: KiB for reception in the low half
	regFCRTL   = 0x2160 // R/W bytes in it at which to take a pause back; XONE asks for that
	regFCRTH   = 0x2168 // R/W bytes in it at which to ask for a pause
	regRDBAL   = 0x2800 // R/W receive ring: bus address, low half, 16-byte aligned
	regRDBAH   = 0x2804 // R/W receive ring: bus address, high half
	regRDLEN   = 0x2808 // R/W receive ring: length in bytes, a multiple of 128
	regRDH     = 0x2810 // R/W receive ring: the card's index; it says not which descriptors are done
	regRDT     = 0x2818 // R/W receive ring: our index; writing it is the doorbell
	regRDTR    = 0x2820 // R/W receive interrupt delay; 0 interrupts at once
	regRXDCTL  = 0x2828 // R/W receive ring: thresholds of fetch and write-back
	regTDBAL   = 0x3800 // R/W transmit ring: as RDBAL
	regTDBAH   = 0x3804 // R/W
	regTDLEN   = 0x3808 // R/W
	regTDH     = 0x3810 // R/W
	regTDT     = 0x3818 // R/W transmit ring: our index; writing it is the doorbell
	regTXDCTL  = 0x3828 // R/W transmit ring: thresholds of fetch and write-back
	regRXCSUM  = 0x5000 // R/W receive checksum offload
	regRFCTL   = 0x5008 // R/W receive filter control; EXTEN chooses extended descriptors
	regMTA     = 0x5200 // R/W multicast table, 128 registers
	regRAL     = 0x5400 // R/W receive address i at +8i: bytes 0 to 3
	regRAH     = 0x5404 // R/W receive address i at +8i: bytes 4 and 5, and AV
	regVFTA    = 0x5600 // R/W VLAN filter table, 128 registers
	regMRQC    = 0x5818 // R/W multiple receive queues; 0 is one queue
	regRETA    = 0x5C00 // R/W queue by hash: 32 registers of 4 bytes, bit 7 of each
	regRSSRK   = 0x5C80 // R/W key of the hash, 10 registers
	regGCR     = 0x5B00 // R/W PCIe control
	regGCR2    = 0x5B64 // R/W PCIe control 2
)

// perQueue is how far the registers of queue 1, RDBAL to TXDCTL, lie behind those
// of queue 0.
const perQueue = 0x100

const gone = 0xFFFFFFFF // what a register of a card that is not there reads

const (
	ctrlMasterDisable = 1 << 2 // GIO: finish what is under way, start no more
	ctrlASDE          = 1 << 5 // detect speed as the PHY has it
	ctrlSLU           = 1 << 6 // set link up
	ctrlRST           = 1 << 26
	ctrlRFCE          = 1 << 27 // obey pause frames
	ctrlTFCE          = 1 << 28 // send them
	ctrlBit29         = 1 << 29 // to be 0
	ctrlVME           = 1 << 30 // VLAN tags are taken out and put in

	statusFD       = 1 << 0
	statusLU       = 1 << 1
	statusTXOFF    = 1 << 4 // the other end has asked for a pause
	statusSpeed    = 6      // 2 bits: 10, 100, 1000, 1000 Mb/s
	statusMasterEn = 1 << 19

	eecdAutoRD = 1 << 9

	eerdStart = 1 << 0
	eerdDone  = 1 << 1
	eerdAddr  = 2
	eerdData  = 16

	ctrlExtBit22   = 1 << 22 // to be 1
	ctrlExtBit23   = 1 << 23 // to be 0
	ctrlExtDrvLoad = 1 << 28 // tells the firmware that a driver has the card

	intLSC    = 1 << 2 // link up or down
	intRXDMT0 = 1 << 4 // receive descriptors low
	intRXO    = 1 << 6 // receive overrun
	intRXT0   = 1 << 7 // frame received

	rctlEN    = 1 << 1
	rctlUPE   = 1 << 3  // every unicast frame
	rctlMPE   = 1 << 4  // every multicast frame
	rctlLPE   = 1 << 5  // long packets too
	rctlBAM   = 1 << 15 // every broadcast frame
	rctlVFE   = 1 << 18 // by the VLAN filter
	rctlSECRC = 1 << 26 // leave the CRC out of the buffer
	// BSIZE 0 and no BSEX: buffers of 2048 bytes.

	tctlEN   = 1 << 1
	tctlPSP  = 1 << 3   // pad short packets
	tctlCT   = 15 << 4  // collision threshold, the IEEE's
	tctlCOLD = 63 << 12 // collision distance in full duplex
	tctlRTLC = 1 << 24  // retransmit on late collision
	tipgIEEE = 8 | 8<<10 | 6<<20

	// Fetch early, and write each descriptor back as it is done: we look at
	// nothing else. COUNT_DESC has to be 1, in both queues.
	dctlCountDesc = 1 << 22
	dctlGran      = 1 << 24 // thresholds count descriptors
	rxdctl        = dctlGran | 1<<16 | 4<<8 | 32
	txdctl        = dctlGran | dctlCountDesc | 1<<8 | 31

	rfctlEXTEN   = 1 << 15
	rfctlIPv6Dis = 1<<16 | 1<<17 // do not look behind extension headers

	rxcsumIPOFL = 1 << 8  // check IPv4 headers
	rxcsumTUOFL = 1 << 9  // check TCP and UDP
	rxcsumPCSD  = 1 << 13 // the RSS hash in place of a checksum

	mrqcRSS   = 1
	mrqcFlows = 15 // shift: flow number 1 is the next bit

	rahAV = 1 << 31

	gcrBit22 = 1 << 22 // these two mend an error in PCIe completions
	gcr2Bit0 = 1 << 0
)

const (
	itrUnit = 256 * time.Nanosecond
	itrMax  = 1<<16 - 1

	fcrtlXONE = 1 << 31

	pauseTo   = 0x0180C2000001 // the address of pause frames (IEEE 802.3, 31B)
	pauseType = 0x8808
)

const (
	nvmMAC   = 0x00 // 3 words, least significant byte first
	nvmWords = 0x40 // words under the checksum
	nvmSum   = 0xBABA

	receiveAddrs = 16  // registers RAL, RAH
	tableWords   = 128 // registers of MTA, VFTA
)
