using System.Buffers.Binary;
using System.Text;

namespace Fairlead.Cli;

/// <summary>
/// Writes packets as Wireshark and tcpdump read them: pcapng (draft-ietf-opsawg-pcapng), little-endian, times in
/// nanoseconds, a comment with each packet.
///
///   block     [type 4][length 4][body, up to a multiple of 4][length 4]
///   option    [code 2][length 2][value, up to a multiple of 4], code 0 ends them
/// </summary>
internal sealed class Pcapng(Stream into)
{
    private const uint SectionHeader = 0x0a0d0d0a;
    private const uint InterfaceDescription = 1;
    private const uint EnhancedPacket = 6;
    private const uint ByteOrderMagic = 0x1a2b3c4d;
    private const ushort Comment = 1;
    private const ushort InterfaceName = 2;
    private const ushort UserApplication = 4;
    private const ushort TimeResolution = 9;
    private const ushort Ethernet = 1;
    private const byte Nanoseconds = 9;

    private readonly List<string> devices = [];
    private readonly MemoryStream block = new();

    /// <summary>The section and its devices, before any packet.</summary>
    public void Begin(IEnumerable<string> names, int snapBytes)
    {
        Open(SectionHeader);
        Add(ByteOrderMagic);
        Add16(1); // Version 1.0.
        Add16(0);
        Add(uint.MaxValue); // The section's length is not known.
        Add(uint.MaxValue);
        AddOption(UserApplication, "fairlead"u8);
        Close();
        foreach (string name in names) Describe(name, snapBytes);
    }

    public void Write(string device, long unixNanoseconds, ReadOnlySpan<byte> frame, int length, string comment)
    {
        int number = devices.IndexOf(device);
        if (number < 0) number = Describe(device, 0);
        Open(EnhancedPacket);
        Add((uint)number);
        Add((uint)(unixNanoseconds >> 32));
        Add((uint)unixNanoseconds);
        Add((uint)frame.Length);
        Add((uint)length);
        AddPadded(frame);
        AddOption(Comment, Encoding.UTF8.GetBytes(comment));
        Close();
    }

    private int Describe(string name, int snapBytes)
    {
        Open(InterfaceDescription);
        Add16(Ethernet);
        Add16(0);
        Add((uint)snapBytes);
        AddOption(InterfaceName, Encoding.UTF8.GetBytes(name));
        AddOption(TimeResolution, [Nanoseconds]);
        Close();
        devices.Add(name);
        return devices.Count - 1;
    }

    private void Open(uint type)
    {
        block.SetLength(0);
        Add(type);
        Add(0); // Its length, which Close knows.
    }

    private void Close()
    {
        Add(0); // The options end.
        uint length = (uint)block.Length + sizeof(uint);
        Add(length);
        Span<byte> whole = block.GetBuffer().AsSpan(0, (int)length);
        BinaryPrimitives.WriteUInt32LittleEndian(whole[4..], length);
        // In one piece: who reads from a pipe sees whole blocks.
        into.Write(whole);
    }

    private void AddOption(ushort code, ReadOnlySpan<byte> value)
    {
        Add16(code);
        Add16((ushort)value.Length);
        AddPadded(value);
    }

    private void AddPadded(ReadOnlySpan<byte> bytes)
    {
        block.Write(bytes);
        while (block.Length % 4 != 0) block.WriteByte(0);
    }

    private void Add(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        block.Write(bytes);
    }

    private void Add16(ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        block.Write(bytes);
    }
}
