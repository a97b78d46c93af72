using System.Text.RegularExpressions;

namespace Fairlead.Tests.Tidy;

/// <summary>The titles of the RFCs that are cited, as the RFC Editor's index has them.</summary>
internal static partial class RfcTitles
{
    private const string Index = """
        792 Internet Control Message Protocol
        1034 Domain names - concepts and facilities
        1035 Domain names - implementation and specification
        1071 Computing the Internet checksum
        1876 A Means for Expressing Location Information in the Domain Name System
        1982 Serial Number Arithmetic
        1995 Incremental Zone Transfer in DNS
        1996 A Mechanism for Prompt Notification of Zone Changes (DNS NOTIFY)
        1997 BGP Communities Attribute
        2003 IP Encapsulation within IP
        2136 Dynamic Updates in the Domain Name System (DNS UPDATE)
        2181 Clarifications to the DNS Specification
        2308 Negative Caching of DNS Queries (DNS NCACHE)
        2317 Classless IN-ADDR.ARPA delegation
        2385 Protection of BGP Sessions via the TCP MD5 Signature Option
        2473 Generic Packet Tunneling in IPv6 Specification
        2545 Use of BGP-4 Multiprotocol Extensions for IPv6 Inter-Domain Routing
        2782 A DNS RR for specifying the location of services (DNS SRV)
        2918 Route Refresh Capability for BGP-4
        3021 Using 31-Bit Prefixes on IPv4 Point-to-Point Links
        3403 Dynamic Delegation Discovery System (DDDS) Part Three: The Domain Name System (DNS) Database
        3542 Advanced Sockets Application Program Interface (API) for IPv6
        3596 DNS Extensions to Support IP Version 6
        3597 Handling of Unknown DNS Resource Record (RR) Types
        3629 UTF-8, a transformation format of ISO 10646
        3849 IPv6 Address Prefix Reserved for Documentation
        4034 Resource Records for the DNS Security Extensions
        4035 Protocol Modifications for the DNS Security Extensions
        4271 A Border Gateway Protocol 4 (BGP-4)
        4291 IP Version 6 Addressing Architecture
        4343 Domain Name System (DNS) Case Insensitivity Clarification
        4360 BGP Extended Communities Attribute
        4398 Storing Certificates in the Domain Name System (DNS)
        4443 Internet Control Message Protocol (ICMPv6) for the Internet Protocol Version 6 (IPv6) Specification
        4456 BGP Route Reflection: An Alternative to Full Mesh Internal BGP (IBGP)
        4486 Subcodes for BGP Cease Notification Message
        4592 The Role of Wildcards in the Domain Name System
        4594 Configuration Guidelines for DiffServ Service Classes
        4648 The Base16, Base32, and Base64 Data Encodings
        4724 Graceful Restart Mechanism for BGP
        4760 Multiprotocol Extensions for BGP-4
        4892 Requirements for a Mechanism Identifying a Name Server Instance
        5001 DNS Name Server Identifier (NSID) Option
        5065 Autonomous System Confederations for BGP
        5082 The Generalized TTL Security Mechanism (GTSM)
        5155 DNS Security (DNSSEC) Hashed Authenticated Denial of Existence
        5396 Textual Representation of Autonomous System (AS) Numbers
        5452 Capabilities Advertisement with BGP-4
        5492 Capabilities Advertisement with BGP-4
        5701 IPv6 Address Specific BGP Extended Community Attribute
        5737 IPv4 Address Blocks Reserved for Documentation
        5880 Bidirectional Forwarding Detection (BFD)
        5881 Bidirectional Forwarding Detection (BFD) for IPv4 and IPv6 (Single Hop)
        5882 Generic Application of Bidirectional Forwarding Detection (BFD)
        5883 Bidirectional Forwarding Detection (BFD) for Multihop Paths
        5936 DNS Zone Transfer Protocol (AXFR)
        6164 Using 127-Bit IPv6 Prefixes on Inter-Router Links
        6286 Autonomous-System-Wide Unique BGP Identifier for BGP-4
        6396 Multi-Threaded Routing Toolkit (MRT) Routing Information Export Format
        6604 xNAME RCODE and Status Bits Clarification
        6605 Elliptic Curve Digital Signature Algorithm (DSA) for DNSSEC
        6608 Subcodes for BGP Finite State Machine Error
        6672 DNAME Redirection in the DNS
        6781 DNSSEC Operational Practices, Version 2
        6793 BGP Support for Four-Octet Autonomous System (AS) Number Space
        6810 The Resource Public Key Infrastructure (RPKI) to Router Protocol
        6811 BGP Prefix Origin Validation
        6840 Clarifications and Implementation Notes for DNS Security (DNSSEC)
        6890 Special-Purpose IP Address Registries
        6891 Extension Mechanisms for DNS (EDNS(0))
        6895 Domain Name System (DNS) IANA Considerations
        6935 IPv6 and UDP Checksums for Tunneled Packets
        7043 Resource Records for EUI-48 and EUI-64 Addresses in the DNS
        7311 The Accumulated IGP Metric Attribute for BGP
        7313 Enhanced Route Refresh Capability for BGP-4
        7344 Automating DNSSEC Delegation Trust Maintenance
        7583 DNSSEC Key Rollover Timing Considerations
        7606 Revised Error Handling for BGP UPDATE Messages
        7607 Codification of AS 0 Processing
        7766 DNS Transport over TCP - Implementation Requirements
        7828 The edns-tcp-keepalive EDNS0 Option
        7830 The EDNS(0) Padding Option
        7854 BGP Monitoring Protocol (BMP)
        7858 Specification for DNS over Transport Layer Security (TLS)
        7871 Client Subnet in DNS Queries
        7873 Domain Name System (DNS) Cookies
        7911 Advertisement of Multiple Paths in BGP
        7999 BLACKHOLE Community
        8020 NXDOMAIN: There Really Is Nothing Underneath
        8050 Multi-Threaded Routing Toolkit (MRT) Routing Information Export Format with BGP Additional Path Extensions
        8092 BGP Large Communities Attribute
        8198 Aggressive Use of DNSSEC-Validated Cache
        8200 Internet Protocol, Version 6 (IPv6) Specification
        8210 The Resource Public Key Infrastructure (RPKI) to Router Protocol, Version 1
        8212 Default External BGP (EBGP) Route Propagation Behavior without Policies
        8326 Graceful BGP Session Shutdown
        8467 Padding Policies for Extension Mechanisms for DNS (EDNS(0))
        8482 Providing Minimal-Sized Responses to DNS Queries That Have QTYPE=ANY
        8484 DNS Queries over HTTPS (DoH)
        8538 Notification Message Support for BGP Graceful Restart
        8624 Algorithm Implementation Requirements and Usage Guidance for DNSSEC
        8654 Extended Message Support for BGP
        8659 DNS Certification Authority Authorization (CAA) Resource Record
        8671 Support for Adj-RIB-Out in the BGP Monitoring Protocol (BMP)
        8901 Multi-Signer DNSSEC Models
        8906 A Common Operational Problem in DNS Servers: Failure to Communicate
        8914 Extended DNS Errors
        8945 Secret Key Transaction Authentication for DNS (TSIG)
        8950 Advertising IPv4 Network Layer Reachability Information (NLRI) with an IPv6 Next Hop
        9003 Extended BGP Administrative Shutdown Communication
        9018 Interoperable Domain Name System (DNS) Server Cookies
        9069 Support for Local RIB in the BGP Monitoring Protocol (BMP)
        9072 Extended Optional Parameters Length for BGP OPEN Message
        9077 NSEC and NSEC3: TTLs and Aggressive Use
        9103 DNS Zone Transfer over TLS
        9110 HTTP Semantics
        9112 HTTP/1.1
        9234 Route Leak Prevention and Detection Using Roles in UPDATE and OPEN Messages
        9276 Guidance for NSEC3 Parameter Settings
        9293 Transmission Control Protocol (TCP)
        9384 A BGP Cease NOTIFICATION Subcode for Bidirectional Forwarding Detection (BFD)
        9460 Service Binding and Parameter Specification via the DNS (SVCB and HTTPS Resource Records)
        9461 Service Binding Mapping for DNS Servers
        9471 DNS Glue Requirements in Referral Responses
        9494 Long-Lived Graceful Restart for BGP
        9619 In the DNS, QDCOUNT Is (Usually) One
        9660 The DNS Zone Version (ZONEVERSION) Option
        9687 Border Gateway Protocol 4 (BGP-4) Send Hold Timer
        9715 IP Fragmentation Avoidance in DNS over UDP
        9774 Deprecation of AS_SET and AS_CONFED_SET in BGP
        """;

    public static IReadOnlyDictionary<int, string> All { get; } = Line().Matches(Index).ToDictionary(
        line => int.Parse(line.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture),
        line => line.Groups[2].Value.Trim());

    [GeneratedRegex(@"(?m)^(\d+) (.+)$")]
    private static partial Regex Line();
}
