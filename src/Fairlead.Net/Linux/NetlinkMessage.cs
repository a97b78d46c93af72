using System.Runtime.InteropServices;
using System.Text;

namespace Fairlead.Net.Linux;

/// <summary>struct nlmsghdr (netlink(7)), and behind it the family's own fixed part and attributes.</summary>
public struct NetlinkHeader
{
    public const int Bytes = 16;

    public uint Length;
    public ushort Kind;
    public ushort Flags;
    public uint Sequence;
    public uint Port;
}

/// <summary>Walks through the messages of one datagram from the kernel. One that is cut short ends the walk.</summary>
public ref struct NetlinkReader(ReadOnlySpan<byte> datagram)
{
    private ReadOnlySpan<byte> rest = datagram;

    public NetlinkHeader Header { get; private set; }

    /// <summary>What follows the header.</summary>
    public ReadOnlySpan<byte> Body { get; private set; }

    public bool Next()
    {
        if (rest.Length < NetlinkHeader.Bytes) return false;
        Header = MemoryMarshal.Read<NetlinkHeader>(rest);
        if (Header.Length < NetlinkHeader.Bytes || Header.Length > rest.Length) return false;
        int length = (int)Header.Length;
        Body = rest[NetlinkHeader.Bytes..length];
        rest = rest[Math.Min(rest.Length, Netlink.Align(length))..];
        return true;
    }
}

/// <summary>
/// Attributes, struct rtattr each: u16 length with these four bytes, u16 kind, then the value, up to four's multiple.
/// </summary>
public ref struct NetlinkAttributes(ReadOnlySpan<byte> attributes)
{
    private const int HeadBytes = 4;
    private const int KindMask = 0x3fff; // Above it are flags: nested, network order.

    private ReadOnlySpan<byte> rest = attributes;

    public int Kind { get; private set; }

    public ReadOnlySpan<byte> Value { get; private set; }

    public bool Next()
    {
        if (rest.Length < HeadBytes) return false;
        int length = MemoryMarshal.Read<ushort>(rest);
        if (length < HeadBytes || length > rest.Length) return false;
        Kind = MemoryMarshal.Read<ushort>(rest[2..]) & KindMask;
        Value = rest[HeadBytes..length];
        rest = rest[Math.Min(rest.Length, Netlink.Align(length))..];
        return true;
    }

    /// <summary>The value of this kind; empty when there is none.</summary>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> attributes, int kind)
    {
        var all = new NetlinkAttributes(attributes);
        while (all.Next())
            if (all.Kind == kind) return all.Value;
        return [];
    }
}

/// <summary>How values lie in netlink messages.</summary>
public static class Netlink
{
    public static int Align(int length) => (length + 3) & ~3;

    public static uint U32(ReadOnlySpan<byte> value) => value.Length >= 4 ? MemoryMarshal.Read<uint>(value) : 0;

    public static ushort U16(ReadOnlySpan<byte> value) =>
        value.Length >= 2 ? MemoryMarshal.Read<ushort>(value) : (ushort)0;

    public static byte U8(ReadOnlySpan<byte> value) => value.Length >= 1 ? value[0] : (byte)0;

    /// <summary>Text ends with a zero byte.</summary>
    public static string Text(ReadOnlySpan<byte> value) => Encoding.UTF8.GetString(value.TrimEnd((byte)0));
}
