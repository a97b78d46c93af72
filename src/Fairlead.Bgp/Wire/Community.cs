using System.Globalization;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>The communities that every speaker knows (RFC 1997 and those named), and how operators write one.</summary>
public static class Community
{
    /// <summary>RFC 8326 §3: the sender is about to take the path away; use another one while there is time.</summary>
    public const uint GracefulShutdown = 0xffff0000;

    /// <summary>RFC 9494 §4.2: the route outlived the session that it came on.</summary>
    public const uint LongLivedStale = 0xffff0006;

    /// <summary>RFC 7999 §2: throw packets to this prefix away.</summary>
    public const uint Blackhole = 0xffff029a;
    public const uint NoExport = 0xffffff01;
    public const uint NoAdvertise = 0xffffff02;

    public static string Format(uint community) => community switch
    {
        GracefulShutdown => "graceful-shutdown",
        LongLivedStale => "llgr-stale",
        Blackhole => "blackhole",
        NoExport => "no-export",
        NoAdvertise => "no-advertise",
        _ => string.Create(CultureInfo.InvariantCulture, $"{community >> 16}:{community & 0xffff}"),
    };

    /// <summary>An extended community (RFC 4360 §3): target and origin by name, another one in hexadecimal.</summary>
    public static string FormatExtended(ulong community)
    {
        uint global = (uint)(community >> 16), low = (uint)community;
        string? kind = ((community >> 48) & 0xff) switch { 2 => "rt", 3 => "ro", _ => null };
        return ((community >> 56) & 0xbf, kind) switch
        {
            (0, not null) => string.Create(
                CultureInfo.InvariantCulture, $"{kind}:{(ushort)(community >> 32)}:{low}"),
            (2, not null) => string.Create(CultureInfo.InvariantCulture, $"{kind}:{global}:{(ushort)low}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"0x{community:x16}"),
        };
    }
}

/// <summary>RFC 8092 §3: whose it is, and two numbers that mean what that AS says.</summary>
public readonly record struct LargeCommunity(uint Global, uint Local1, uint Local2)
{
    public const int Size = 12;

    public static LargeCommunity Read(ReadOnlySpan<byte> value)
    {
        var reader = new WireReader(value);
        return new LargeCommunity(reader.U32(), reader.U32(), reader.U32());
    }

    public void Write(ref WireWriter writer)
    {
        writer.U32(Global);
        writer.U32(Local1);
        writer.U32(Local2);
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Global}:{Local1}:{Local2}");
}
