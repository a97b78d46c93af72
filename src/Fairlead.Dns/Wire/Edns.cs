using Fairlead.Net.Wire;

namespace Fairlead.Dns.Wire;

/// <summary>
/// RFC 8914 §4: why an answer is as it is. Travels as a bare number: text over UDP only feeds reflectors.
/// </summary>
public enum ExtendedError : ushort
{
    /// <summary>No option is sent.</summary>
    None = 0,
    Prohibited = 18,
    NotAuthoritative = 20,
    NotSupported = 21,
}

/// <summary>
/// What the OPT record of an answer says (RFC 6891 §6.1.2), settled before the records are written so that its size is
/// known. Each option only for who has asked for it or sent it.
/// </summary>
internal ref struct Edns
{
    /// <summary>RFC 9715 §3.1: a datagram of 1232 bytes passes every path without fragments.</summary>
    public const int OurUdpBytesMax = 1232;

    public const int EmptyOptBytes = 11;
    public const ushort NsidOption = 3;
    public const ushort KeepaliveOption = 11;
    public const ushort PaddingOption = 12;
    public const ushort ExtendedErrorOption = 15;
    public const ushort ZoneVersionOption = 19;
    private const int ZoneVersionBytes = 6;

    // RFC 8467 §4.1: what a server pads its answers to.
    private const int PaddingBlockBytes = 468;

    /// <summary>Empty: not to be sent.</summary>
    public ReadOnlySpan<byte> Nsid;

    /// <summary>RFC 7828: in 100 ms, over streams; -1: not to be sent.</summary>
    public int KeepaliveTenths;

    /// <summary>Not null: the client's cookie goes back with one of ours.</summary>
    public ServerCookies? Cookies;

    /// <summary>Encrypted, and the client has padded its query (RFC 7830 §4).</summary>
    public bool Pads;

    public byte ScopeLength;
    public ExtendedError Error;

    /// <summary>
    /// RFC 9660: the serial of the zone that answered and the labels of its name; -1: not to be sent.
    /// </summary>
    public int ZoneLabels;
    public uint ZoneSerial;

    /// <summary>
    /// What must stay free for it behind the records. Of an error's number and padding there is no talk: the first
    /// comes without records, the second takes what is left.
    /// </summary>
    public readonly int BytesMax(in QueryMessage query)
    {
        if (!query.HasEdns) return 0;
        return EmptyOptBytes + (Nsid.IsEmpty ? 0 : 4 + Nsid.Length) + (KeepaliveTenths < 0 ? 0 : 6)
            + (Cookies is null ? 0 : 4 + ServerCookies.ClientBytes + ServerCookies.ServerBytes)
            + (query.HasSubnet ? query.Subnet.OptionBytes : 0)
            + (query.AsksZoneVersion ? 4 + ZoneVersionBytes : 0);
    }

    /// <summary>Writes it behind so many bytes of message; gives the length of the whole.</summary>
    public readonly int Write(
        Span<byte> message, int at, scoped in QueryMessage query, Rcode rcode, UInt128 clientMapped, uint nowSeconds)
    {
        var opt = new WireWriter(message[at..]);
        opt.U8(0);
        opt.U16((ushort)RecordType.Opt);
        opt.U16(OurUdpBytesMax);
        opt.U8((byte)((int)rcode >> 4));
        opt.U8(0);
        opt.U16((ushort)(query.DnssecOk ? 0x8000 : 0));
        opt.U16(0);
        int options = opt.Position;
        Option(ref opt, NsidOption, Nsid);
        if (KeepaliveTenths >= 0) Number(ref opt, KeepaliveOption, (ushort)KeepaliveTenths);
        if (query.HasSubnet) query.Subnet.Write(ref opt, ScopeLength);
        if (Cookies is not null)
        {
            opt.U16(ServerCookies.OptionCode);
            opt.U16(ServerCookies.ClientBytes + ServerCookies.ServerBytes);
            Cookies.Write(ref opt, query.Cookie, clientMapped, nowSeconds);
        }

        if (ZoneLabels >= 0)
        {
            opt.U16(ZoneVersionOption);
            opt.U16(ZoneVersionBytes);
            opt.U8((byte)ZoneLabels);
            opt.U8(0); // SOA-SERIAL
            opt.U32(ZoneSerial);
        }

        if (Error != ExtendedError.None && opt.Capacity - opt.Position >= 6)
            Number(ref opt, ExtendedErrorOption, (ushort)Error);
        if (Pads) Pad(ref opt, at);
        opt.PatchU16(options - 2, (ushort)(opt.Position - options));
        return at + opt.Position;
    }

    private static void Option(ref WireWriter opt, ushort code, scoped ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty) return;
        opt.U16(code);
        opt.U16((ushort)data.Length);
        opt.Bytes(data);
    }

    private static void Number(ref WireWriter opt, ushort code, ushort number)
    {
        opt.U16(code);
        opt.U16(2);
        opt.U16(number);
    }

    private static void Pad(ref WireWriter opt, int at)
    {
        int length = at + opt.Position + 4;
        int padding = (PaddingBlockBytes - (length % PaddingBlockBytes)) % PaddingBlockBytes;
        if (opt.Capacity - opt.Position < 4 + padding) return;
        opt.U16(PaddingOption);
        opt.U16((ushort)padding);
        opt.Reserve(padding).Clear();
    }
}
