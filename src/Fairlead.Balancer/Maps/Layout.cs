using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Fairlead.Balancer.Maps;

/// <summary>
/// The layouts of bpf/fairlead.h, which alone defines them; a test compares each struct here with the object's BTF.
/// Field names are the C ones as C# writes them.
/// </summary>
public static class Layout
{
    public const uint Abi = 3;
    public const int Copies = 2;
    public const int Probes = 8;
    public const int Ways = 8;
    public const int Spillers = 1024;
    public const int Reasons = 24;
    public const int SlotFormer = 20;
    public const int SlotThird = 40;
    public const int SlotState = 60;
    public const int EntryTag = 37;
    public const ulong EntrySeen = 1UL << 36;
    public const int EntryBackend = 16;
    public const uint BackendMask = 0xfffff;
    public const uint UnseenSeconds = 4;

    public const uint Sticky = 1;
    public const uint Fragments = 2;

    public const ushort Alive = 1;
    public const ushort Accepts = 2;
    public const ushort Checksum = 4;
    public const ushort Elsewhere = 8;

    public const ushort GuePort = 6080;
    public const byte OtherKind = 0xf1;
    public const int Others = 2;
    public const int QuicConfigs = 8;
    public const int QuicConfig = 24;

    public const int Taps = 4;
    public const int Snap = 4096;
    public const int AesRounds = 10;
}

/// <summary>struct fl_copy.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlCopy
{
    public uint VipFirst;
    public uint VipMask;
    public uint ServiceFirst;
    public uint SlotFirst;
    public uint BackendFirst;
    public uint AnyPort;
    public uint Generation;
    public uint QuicFirst;
    public uint QuicMask;
    public uint SpillerMask;
    public uint QuicConfigFirst;
}

[InlineArray(Layout.Copies)]
public struct FlCopies
{
    private FlCopy first;
}

/// <summary>struct fl_control.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlControl
{
    public ulong Key0;
    public ulong Key1;
    public FlCopies Copy;
    public uint Active;
    public uint Abi;
    public uint ExceptionMask;
    public uint FragmentMask;
    public uint IdleSeconds;
    public uint TapUntil;
    public uint Reserved0;
    public uint Reserved1;
}

/// <summary>struct fl_address: IPv4 in its mapped form.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlAddress
{
    public ulong Half0;
    public ulong Half1;
}

/// <summary>struct fl_vip.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlVip
{
    public ulong Address0;
    public ulong Address1;
    public uint PortProtocol;
    public uint Service;
    public uint Number;
    public uint OnlyFragments;
}

[InlineArray(6)]
public struct MacBytes
{
    private byte first;
}

[InlineArray(16)]
public struct AddressBytes
{
    private byte first;
}

/// <summary>struct fl_service.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlService
{
    public ulong Name;
    public uint First;
    public uint Slots;
    public uint Flags;
    public uint ChangingUntil;
    public uint QuicFirst;
    public uint Reserved;
}

/// <summary>struct fl_block.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlBlock
{
    public ulong Half0;
    public ulong Half1;
}

[InlineArray(Layout.AesRounds + 1)]
public struct FlAesKey
{
    private FlBlock first;
}

[InlineArray(5)]
public struct FiveBytes
{
    private byte first;
}

/// <summary>struct fl_quic_config.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlQuicConfig
{
    public byte Bytes;
    public byte Passes;
    public byte RightAt;
    public FiveBytes Reserved;
    public FlBlock ServerId;
    public FlBlock Left;
    public FlBlock Right;
    public FlAesKey Key;
}

/// <summary>struct fl_quic_id.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlQuicId
{
    public ulong Id0;
    public ulong Id1;
    public uint Service;
    public uint Backend;
}

/// <summary>struct fl_slot.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlSlot
{
    public ulong Word;

    public static FlSlot Of(Slot slot) => new()
    {
        Word = slot.Owner | ((ulong)slot.Former << Layout.SlotFormer) | ((ulong)slot.Third << Layout.SlotThird)
            | ((ulong)slot.State << Layout.SlotState),
    };

    public readonly Slot Read() => new((SlotState)(Word >> Layout.SlotState), (uint)Word & Layout.BackendMask,
        (uint)(Word >> Layout.SlotFormer) & Layout.BackendMask, (uint)(Word >> Layout.SlotThird) & Layout.BackendMask);
}

/// <summary>struct fl_backend: one cache line.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlBackend
{
    public AddressBytes To;
    public AddressBytes From;
    public MacBytes MacTo;
    public MacBytes MacFrom;
    public uint Device;
    public ushort Mtu;
    public ushort Vlan;
    public byte Mode;
    public byte Family;
    public ushort Port;
    public ushort Flags;
    public ushort Service;
    public uint Reserved;

    public static bool AreSame(in FlBackend one, in FlBackend other) =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<FlBackend>(in one))
            .SequenceEqual(MemoryMarshal.AsBytes(new ReadOnlySpan<FlBackend>(in other)));
}

[InlineArray(Layout.Ways)]
public struct FlEntries
{
    private ulong first;
}

/// <summary>struct fl_bucket.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlBucket
{
    public FlEntries Entry;
}

[InlineArray(Layout.Reasons)]
public struct FlReasons
{
    private ulong first;
}

/// <summary>struct fl_vip_count.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlVipCount
{
    public ulong Packets;
    public ulong Bytes;
    public ulong Opened;
    public ulong Reserved;
    public FlReasons Reason;
}

/// <summary>struct fl_backend_count.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlBackendCount
{
    public ulong Packets;
    public ulong Bytes;
    public ulong Opened;
    public ulong Reserved;
}

/// <summary>struct fl_tap: who watches which packets.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlTap
{
    public ulong Address0;
    public ulong Address1;
    public uint PortProtocol;
    public uint Chance;
    public uint Snap;
    public uint IsOn;
    public ulong Taken;
    public ulong Lost;
}

/// <summary>struct fl_event: a packet that is watched; the first bytes of its frame follow.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FlEvent
{
    public ulong At;
    public ulong From0;
    public ulong From1;
    public ulong To0;
    public ulong To1;
    public uint Ports;
    public uint Protocol;
    public uint Device;
    public uint Length;
    public uint Captured;
    public uint Backend;
    public AddressBytes ToBackend;
    public byte BackendFamily;
    public byte Taps;
    public byte Reason;
    public byte How;
    public byte State;
    public byte Fragment;
    public byte IsError;
    public byte Family;
}

/// <summary>enum fl_reason: what became of a packet.</summary>
public enum PacketReason
{
    Forwarded,
    NotIp,
    NotVip,
    Malformed,
    OtherProtocol,
    FragmentUnknown,
    TtlSpent,
    NoBackend,
    Unreachable,
    TooBigDropped,
    NoHeadroom,
    SpilledTwice,
    Congested,
    TooBigAnswered,
    ByException,
    ByFormer,
    Remembered,
    NoRoom,
    ByFragment,
    ByError,
    ByQuicId,
    FromElsewhere,
}
