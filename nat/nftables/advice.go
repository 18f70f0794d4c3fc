package nftables

// PinholeAdvice is the administrator's rule that lets through the packets of pinholes, which
// are marked.
const PinholeAdvice = "nft insert rule TABLE CHAIN meta mark and 0x01000000 == 0x01000000 accept"
