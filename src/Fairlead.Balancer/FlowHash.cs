using System.Buffers.Binary;
using System.Net;
using System.Numerics;
using Fairlead.Net.Addresses;

namespace Fairlead.Balancer;

/// <summary>A flow as its client sends it.</summary>
public readonly record struct Flow(IPEndPoint From, IPEndPoint To, byte Protocol)
{
    public override string ToString() => $"{From} {To}/{(Protocol == 6 ? "tcp" : "udp")}";
}

/// <summary>
/// The kernel's hash of a flow (bpf/hash.h), bit by bit: SipHash-1-3 under the key that all balancers of a VIP share.
/// </summary>
public readonly record struct FlowHash(ulong Key0, ulong Key1)
{
    /// <summary>From 16 bytes.</summary>
    public static FlowHash OfKey(ReadOnlySpan<byte> key) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(key), BinaryPrimitives.ReadUInt64LittleEndian(key[8..]));

    /// <summary>The hash that exceptions are kept by; its high half also picks the slot.</summary>
    public ulong Of(Flow flow) => Of(flow, Ports(flow));

    /// <summary>The hash whose high half picks the slot.</summary>
    public ulong PlaceOf(Flow flow, bool isSticky) => Of(flow, isSticky ? 0 : Ports(flow));

    /// <summary>The slot among so many: the high half as a fraction. It spares the kernel a division.</summary>
    public static int Slot(ulong place, int slots) => (int)((place >> 32) * (ulong)slots >> 32);

    /// <summary>Of any bytes, for identities that must be the same on every balancer.</summary>
    public ulong OfBytes(ReadOnlySpan<byte> bytes)
    {
        var state = new State(this);
        ulong last = (ulong)bytes.Length << 56;
        while (bytes.Length >= 8)
        {
            state.Word(BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }

        for (int i = 0; i < bytes.Length; i++) last |= (ulong)bytes[i] << (8 * i);
        state.Word(last);
        return state.End();
    }

    private ulong Of(Flow flow, uint ports)
    {
        var state = new State(this);
        (ulong from0, ulong from1) = Halves(flow.From.Address);
        (ulong to0, ulong to1) = Halves(flow.To.Address);
        bool isIPv4 = Prefix.Host(flow.To.Address).IsIPv4;
        if (isIPv4)
        {
            state.Word((from1 >> 32) | (to1 & 0xffffffff00000000));
        }
        else
        {
            state.Word(from0);
            state.Word(from1);
            state.Word(to0);
            state.Word(to1);
        }

        state.Word(ports | ((ulong)flow.Protocol << 32) | ((isIPv4 ? 4UL : 6UL) << 56));
        return state.End();
    }

    /// <summary>An address in mapped form, as its sixteen bytes lie in the kernel's two words.</summary>
    public static (ulong First, ulong Second) Halves(IPAddress address)
    {
        UInt128 bits = Prefix.BitsOf(address);
        return (
            BinaryPrimitives.ReverseEndianness((ulong)(bits >> 64)), BinaryPrimitives.ReverseEndianness((ulong)bits));
    }

    private static uint Ports(Flow flow) => BinaryPrimitives.ReverseEndianness((ushort)flow.From.Port)
        | ((uint)BinaryPrimitives.ReverseEndianness((ushort)flow.To.Port) << 16);

    private struct State(FlowHash key)
    {
        private ulong a = key.Key0 ^ 0x736f6d6570736575;
        private ulong b = key.Key1 ^ 0x646f72616e646f6d;
        private ulong c = key.Key0 ^ 0x6c7967656e657261;
        private ulong d = key.Key1 ^ 0x7465646279746573;

        public void Word(ulong word)
        {
            d ^= word;
            Round();
            a ^= word;
        }

        public ulong End()
        {
            c ^= 0xff;
            for (int i = 0; i < 3; i++) Round();
            return a ^ b ^ c ^ d;
        }

        private void Round()
        {
            a += b;
            c += d;
            b = BitOperations.RotateLeft(b, 13) ^ a;
            d = BitOperations.RotateLeft(d, 16) ^ c;
            a = BitOperations.RotateLeft(a, 32);
            c += b;
            a += d;
            b = BitOperations.RotateLeft(b, 17) ^ c;
            d = BitOperations.RotateLeft(d, 21) ^ a;
            c = BitOperations.RotateLeft(c, 32);
        }
    }
}
